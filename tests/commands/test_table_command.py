"""Both tables by one command on the smallest training there is."""

from functools import partial
from pathlib import Path

import cv2
import pytest

from cartoon_dist.commands import table
from cartoon_dist.errors import ConfigError
from cartoon_dist.tables.paper_tables import ROWS
from tests.running import ROOT, typed


def words(shards: Path, out: Path, *more: str) -> list[str]:
    shared = [str(ROOT / "tests/tiny.yaml"), "score.features=efficientnet_lite0", f"weights_folder={ROOT / 'weights'}"]
    shared += [
        f"data.cache={out / 'cache'}",
        "loss.content.layer=conv1_1",
        "batch_size=4",
        "max_steps=3",
        "warmup.steps=1",
        "model.num_blocks=1",
        "score.subsamples=0",
        "checkpoint={every: 2, keep: 1, keep_every: 2}",
    ]
    return [str(shards / "photos"), str(shards / "cartoons"), str(out), *shared, *more]


@pytest.mark.slow
def test_both_tables_from_one_command(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "_type", partial(typed, failed="the tables are not done"))
    assert table.main(words(shards, tmp_path, "seeds=1")) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        str(tmp_path / name) for name in ("tables.md", "tables.html", "grid.png")
    ]
    text = (tmp_path / "tables.md").read_text()
    for row in ROWS:
        [*_, line] = [line for line in text.splitlines() if line.startswith(f"| {row.name} |")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert float(cells[3].split(" ")[0]) > 0
        assert cells[4] == "0"
    assert "not trained yet" not in text
    assert "Not alike" not in text
    # A photo a row, a column a method and the photo itself; each at least 128 pixels wide.
    grid = cv2.imread(str(tmp_path / "grid.png"))
    assert (len(ROWS) + 1) * 128 < grid.shape[1] < (len(ROWS) + 2) * 140
    assert "<img" in (tmp_path / "tables.html").read_text()
    # What is trained is not trained again; the checkpoint that was kept on the way is scored.
    assert "after steps" not in text
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/step-*/manifest.json")}
    assert table.main(words(shards, tmp_path, "rows=sal", "--curves")) == 0
    assert "sal-seed0: is trained and scored" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/step-*/manifest.json")}
    [heads, _, course] = (tmp_path / "tables.md").read_text().rpartition("after steps")[2].split("\n\n")[1].splitlines()
    assert heads == "| step | 2 | 3 |"
    assert course.startswith("| CartoonGAN+Sal | ")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("rows=sal,mine",), "there is no row mine"),
        (("seeds=0",), "at least 1"),
        (("seeds=1,mine=2",), "the rows are cartoongan"),
        (("seed=3",), "seed: is what the table chooses"),
        (("model.channels=odd",), "model.channels"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(
    shards: Path, tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        table.main(words(shards, tmp_path, *more))
    assert not (tmp_path / "runs").exists()


def test_tables_among_the_pictures_are_refused(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "pics").mkdir()
    for inputs in ([tmp_path / "pics", shards / "cartoons"], [shards / "photos", tmp_path / "pics"]):
        with pytest.raises(ConfigError, match=r"pics/out: is inside .*pics, so drawings and samples would be"):
            table.main([*map(str, inputs), str(tmp_path / "pics/out")])
    assert not list((tmp_path / "pics").iterdir())


def test_rows_have_seeds_of_their_own(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []
    monkeypatch.setattr(table, "_type", lambda *typed: trained.append(str(typed[-3]).partition("runs/")[2]))
    table.main(words(shards, tmp_path, "rows=sal,animegan", "seeds=1,animegan=3"))
    assert trained == ["sal-seed0", "animegan-seed0", "animegan-seed1", "animegan-seed2"]
    table.main(words(shards, tmp_path, "rows=sal", "--write-only"))
    assert len(trained) == 4
    assert "not trained yet" in (tmp_path / "tables.md").read_text()
