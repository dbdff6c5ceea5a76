"""Positions and what follows from them, against the paper's numbers worked out by hand."""

import pytest

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.train.schedule import Schedule


def schedule(*words: str, num_photos: int = 6659, num_cartoons: int = 2000) -> Schedule:
    settings = read(TrainSettings, [], words, run_dir="x")
    return Schedule(settings=settings, num_photos=num_photos, num_cartoons=num_cartoons)


def test_the_papers_run() -> None:
    paper = schedule()
    assert paper.warmup_steps == 16648  # 10 epochs of 6,659 photos by fours: 16,647.5
    assert paper.total_steps == 16648 + 100_000  # 200 epochs of 500 steps
    assert [paper.phase(step) for step in (0, 16647, 16648)] == ["warmup", "warmup", "gan"]


def test_epochs_are_counted_over_photos_then_over_cartoons() -> None:
    small = schedule("warmup.epochs=2", num_photos=10, num_cartoons=6)
    assert small.warmup_steps == 5
    assert [small.epoch(step) for step in range(5)] == [0, 0, 0, 1, 1]  # photos seen before: 0 4 8 12 16
    assert [small.epoch(step) for step in range(5, 10)] == [0, 0, 1, 2, 2]  # cartoons seen before: 0 4 8 12 16


@pytest.mark.parametrize(("epoch", "factor"), [(0, 1), (99, 1), (100, 0.1), (149, 0.1), (150, 0.01), (199, 0.01)])
def test_learning_rates_fall_at_their_epochs(epoch: int, factor: float) -> None:
    paper = schedule("optimizer.discriminator=1e-4")
    rates = paper.learning_rates(paper.warmup_steps + 500 * epoch)
    assert rates == pytest.approx({"generator": 2e-4 * factor, "discriminator": 1e-4 * factor})


def test_the_warm_up_has_its_own_rate_for_the_generator_alone() -> None:
    assert schedule("warmup.learning_rate=0.5").learning_rates(0) == {"generator": 0.5}


@pytest.mark.parametrize(("scale_lr", "factor"), [("none", 1), ("linear", 16), ("sqrt", 4)])
def test_learning_rates_follow_the_batch_as_asked(scale_lr: str, factor: float) -> None:
    large = schedule(
        "batch_size=64", f"scale_lr={scale_lr}", "optimizer.discriminator=1e-4", "warmup.learning_rate=1e-3"
    )
    assert large.learning_rates(large.warmup_steps) == {"generator": 2e-4 * factor, "discriminator": 1e-4 * factor}
    assert large.learning_rates(0) == {"generator": 1e-3 * factor}
    assert schedule(f"scale_lr={scale_lr}").learning_rates(10**6) == schedule().learning_rates(10**6)  # the paper's 4


def test_the_content_weight_follows_the_epoch() -> None:
    paper = schedule()
    weights = [paper.content_weight(paper.warmup_steps + 500 * epoch) for epoch in (0, 9, 10, 199)]
    assert weights == pytest.approx([0.25, 0.25, 0.24, 0.25 * 0.96**19])
    assert pytest.approx(weights[-1], abs=5e-4) == 0.115
    literal = schedule("loss.content.every=1")
    assert literal.content_weight(literal.warmup_steps + 500 * 199) == pytest.approx(7.4e-5, rel=0.01)


def test_max_steps_ends_both_phases() -> None:
    assert schedule("max_steps=20").total_steps == 20
    assert schedule("warmup.steps=0", "epochs=1", "max_steps=10000").total_steps == 500
