"""Commands typed for the user: from any folder, said before they run, and told of when they fail."""

from pathlib import Path

import pytest

from cartoon_dist.commands import run_subprocess
from cartoon_dist.errors import TrainingError


@pytest.mark.slow
def test_a_script_of_this_project_runs_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_subprocess.run("launch/weights.py", "list", "--folder", tmp_path / "launch", failed="it stopped")
    said = capfd.readouterr()
    assert said.err.splitlines()[1] == f"$ python launch/weights.py list --folder {tmp_path / 'launch'}"
    assert "vgg16" in said.out


def test_another_folder_and_a_failure(tmp_path: Path) -> None:
    (tmp_path / "leave.py").write_text("raise SystemExit(7)")
    with pytest.raises(TrainingError, match=r"^it stopped: leave\.py 'a word' ended with status 7; its own words"):
        run_subprocess.run("leave.py", "a word", failed="it stopped", folder=tmp_path)
