"""How a command begins and ends."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from cartoon_dist.commands import entry
from cartoon_dist.errors import CartoonError, ConfigError, ShardError


def ends(error: Exception | None, status: int = 0) -> int | str | None:
    def main(_: Sequence[str]) -> int:
        if error is not None:
            raise error
        return status

    with pytest.raises(SystemExit) as left:
        entry.run(main)
    return left.value.code


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)


def test_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(None) == 0
    assert ends(None, entry.STOPPED) == 75
    assert ends(ConfigError("seed: is\nmissing")) == 2
    said = capsys.readouterr()
    assert said.err == "error: seed: is missing\n"
    assert said.out == ""


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        entry.run(lambda _: 1 // 0)


@pytest.mark.parametrize(
    ("error", "said"), [(ConfigError("seed: x"), ""), (ShardError("a.tar: gone"), "process 1: a.tar: gone\n")]
)
def test_other_processes_speak_of_their_own_node_alone(
    error: CartoonError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert ends(error) == 2
    assert capsys.readouterr().err == said


@pytest.mark.slow
def test_a_command_does_not_wait_for_what_only_a_score_needs() -> None:
    """torch-fidelity brings torchvision, and that torch's compiler: as long again as the rest of the start."""
    program = (
        "import sys; from cartoon_dist.commands import export, fid, report, submit, train\n"
        "print(sorted({'torch_fidelity', 'torchvision', 'torch._dynamo'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
