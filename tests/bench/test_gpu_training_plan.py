"""What fits into some minutes, and the paper's schedule squeezed into it."""

from pathlib import Path

import pytest

from bench.gpu_training.clock import Clock
from bench.gpu_training.options import ROWS, Options
from bench.gpu_training.plan import PLANNED_SHARE, Rates, images_that_fit, read_rates, schedule_words, shape_of
from cartoon_dist.config.run_config import read_settings
from cartoon_dist.tables import paper_tables
from cartoon_dist.train.schedule import Schedule


def options(tmp_path: Path, *words: str, **more: object) -> Options:
    return Options(
        out=tmp_path / "out",
        scratch=tmp_path / "scratch",
        pack=None,
        minutes=10,
        words=words,
        **more,  # type: ignore[arg-type]
    )


def test_rows_are_those_of_the_papers_tables() -> None:
    assert {row.key: row.config for row in paper_tables.ROWS} == ROWS


@pytest.mark.parametrize("images", [470_000, 200_000, 20_000])
def test_the_papers_schedule_keeps_its_shape_at_any_length(images: int, tmp_path: Path) -> None:
    asked = options(tmp_path)
    words = schedule_words(shape_of(asked.own_settings("ressal_cbam")), images=images, batch_size=8, num_cartoons=1000)
    settings = read_settings([*asked.row_words("ressal_cbam"), *words])
    schedule = Schedule(settings=settings, num_photos=1500, num_cartoons=1000)
    total, warmup = schedule.total_steps, schedule.warmup_steps
    assert total == images // 8
    assert warmup / total == pytest.approx(66_590 / 466_590, abs=1e-3)
    rates = [
        schedule.learning_rates(warmup + round(place * (total - warmup)))["generator"] for place in (0.4, 0.6, 0.9)
    ]
    assert rates == pytest.approx([2e-4, 2e-5, 2e-6])
    assert schedule.content_weight(warmup) == 0.25
    # 19 falls by 0.96 before the paper's last epochs.
    assert schedule.content_weight(total - 1) == pytest.approx(0.25 * 0.96**19, rel=0.06)


def test_a_schedule_in_steps_is_meant_for_the_configs_own_batch(tmp_path: Path) -> None:
    asked = options(tmp_path, "batch_size=4")
    assert shape_of(asked.own_settings("whitebox")).warmup_share == pytest.approx(1 / 3, abs=1e-3)
    assert read_settings(asked.row_words("whitebox")).capture.mode == "none"
    assert read_settings(asked.row_words("whitebox")).batch_size == 4


def test_the_content_layer_is_one_that_travels(tmp_path: Path) -> None:
    content = read_settings(options(tmp_path).row_words("ressal_cbam")).loss.content
    assert (content.network, content.layer) == ("vgg16", "conv4_3")
    asked = options(tmp_path, "loss.content.layer=conv3_1")
    assert read_settings(asked.row_words("config")).loss.content.layer == "conv3_1"


def test_all_rows_get_as_many_images_as_fit() -> None:
    shape = shape_of(read_settings(["hayao", "run_dir=x"]))
    fast = Rates(warmup=200, gan=100, start_seconds=20)
    slow = Rates(warmup=100, gan=50, start_seconds=30)
    images = images_that_fit([(shape, fast), (shape, slow)], seconds=500, finish_seconds=25)
    steps = sum(images * (shape.warmup_share / of.warmup + (1 - shape.warmup_share) / of.gan) for of in (fast, slow))
    assert steps == pytest.approx((500 - 100) * PLANNED_SHARE, rel=1e-3)
    assert images_that_fit([(shape, slow)], seconds=50, finish_seconds=25) == 0


def test_rates_leave_out_the_record_in_which_the_step_was_recorded() -> None:
    rows = [
        {"phase": phase, "step": step, "images": step * 8, "images_per_second": speed, "loss/g": 1.0}
        for phase, step, speed in (
            ("warmup", 10, 5),
            ("warmup", 20, 160),
            ("gan", 30, 2),
            ("gan", 40, 80),
            ("gan", 50, 90),
        )
    ]
    rates = read_rates(rows, total_seconds=100, level=1)
    assert (rates.warmup, rates.gan, rates.level) == (160, 85, 1)
    assert rates.start_seconds == pytest.approx(100 - 160 / 160 - 240 / 85)
    with pytest.raises(ValueError, match="before a record of the phase gan"):
        read_rates(rows[:2], total_seconds=100, level=0)
    rows[3]["loss/g"] = float("nan")
    with pytest.raises(ValueError, match="loss/g is no number after step 40"):
        read_rates(rows, total_seconds=100, level=0)


def test_minutes_count_over_all_starts(tmp_path: Path) -> None:
    file = tmp_path / "progress.json"
    file.write_text('{"minutes": 5, "used_seconds": 100.0}')
    clock = Clock(file, minutes=5)
    with clock.kept():
        assert 100 <= clock.used_seconds < 300
    assert Clock(file, minutes=5).left_seconds <= 200
    assert Clock(file, minutes=1).left_seconds == 0
    file.write_text("cut o")
    assert Clock(file, minutes=5).used_seconds < 100
