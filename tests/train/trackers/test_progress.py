"""How much of a run a tracker has."""

from pathlib import Path

import pytest

from cartoon_dist.files.json_yaml import ParseError
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.trackers import progress


def test_progress_is_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert progress.load(run, "wandb") is None
    begun = progress.begin(run, "wandb", "films")
    begun.step, begun.scores = 7, ["a"]
    progress.save(run, "wandb", begun)
    assert progress.load(run, "wandb") == begun
    assert progress.load(run, "mlflow") is None


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [RunFolder(tmp_path / parent / "first") for parent in "ab"]
    for run in runs:
        run.root.mkdir(parents=True)
    ids = [progress.begin(run, "wandb", "films") for run in runs]
    assert [each.name for each in ids] == ["first", "first"]
    assert ids[0].id != ids[1].id
    names = [progress.begin(run, "trackio", "films").name for run in runs]
    assert [name[:6] for name in names] == ["first-", "first-"]
    assert names[0] != names[1]
    assert progress.begin(runs[0], "mlflow", "films").id == ""


def test_a_name_is_one_that_trackers_take(tmp_path: Path) -> None:
    assert progress.begin(RunFolder(tmp_path / "a film: 2/3\u202e"), "wandb", "films").name == "3_"
    assert len(progress.begin(RunFolder(tmp_path / ("x" * 250)), "wandb", "films").name) == 100


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"project": "films"}', '{"project": "a", "name": "b", "step": "x"}']
)
def test_damage_is_named(tmp_path: Path, content: str) -> None:
    run = RunFolder(tmp_path)
    progress.progress_file(run, "wandb").parent.mkdir()
    progress.progress_file(run, "wandb").write_text(content)
    with pytest.raises(ParseError, match=r"trackers/wandb.json is damaged; remove it"):
        progress.load(run, "wandb")
