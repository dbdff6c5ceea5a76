"""Commands typed for the user: from any folder, said before they run, and told of when they fail."""

from pathlib import Path

import pytest

from cartoon_dist.commands import run_subprocess
from cartoon_dist.console.command_names import note_program_typed
from cartoon_dist.errors import TrainingError
from tests.running import ROOT


@pytest.fixture(autouse=True)
def _nothing_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTOON_DIST_TYPED", "")  # so that what a test sets is taken back
    monkeypatch.delenv("CARTOON_DIST_TYPED")


@pytest.mark.slow
@pytest.mark.parametrize("installed", [False, True])
def test_a_command_runs_in_the_users_folder(
    installed: bool,  # noqa: FBT001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if installed:
        note_program_typed()
    run_subprocess.run("weights", "list", f"weights_folder={tmp_path / 'a b'}", failed="it stopped")
    said = capfd.readouterr()
    typed = "cartoon-dist weights" if installed else f"python {ROOT}/launch/weights.py"
    assert said.err.splitlines()[1] == f"$ {typed} list 'weights_folder={tmp_path / 'a b'}'"
    assert "vgg16" in said.out


def test_a_failure_is_told_with_the_line_to_type_again() -> None:
    said = r"^it stopped: python shards/verify\.py 'no such' ended with status 2; its own words"
    with pytest.raises(TrainingError, match=said):
        run_subprocess.run("shards verify", "no such", failed="it stopped", folder=ROOT)


def test_the_launcher_is_given_a_config_that_travels(tmp_path: Path) -> None:
    assert run_subprocess.launcher("cpu", folder=ROOT)[3] == "configs/accelerate/cpu.yaml"
    *words, num = run_subprocess.launcher("ddp", "--num_processes", "4", folder=tmp_path)
    assert (Path(words[3]), num) == (ROOT / "configs/accelerate/ddp.yaml", "4")
