"""How a command begins and ends."""

import errno
import subprocess
import sys
from collections.abc import Sequence

import pytest

from cartoon_dist.commands.main import EXIT_STOPPED, run_command
from cartoon_dist.errors import CartoonError, ConfigError, ShardError


def ends(error: Exception | None, status: int = 0) -> int | str | None:
    def main(_: Sequence[str]) -> int:
        if error is not None:
            raise error
        return status

    with pytest.raises(SystemExit) as left:
        run_command(main)
    return left.value.code


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)


def test_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(None) == 0
    assert ends(None, EXIT_STOPPED) == 75
    assert ends(ConfigError("seed: is\nmissing")) == 2
    said = capsys.readouterr()
    assert said.err == "error: seed: is missing\n"
    assert said.out == ""


def test_a_name_in_an_error_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(ShardError("a\x1b[2J\udcff\u202e\r\nb.tar: gone")) == 2
    assert capsys.readouterr().err == "error: a\\x1b[2J\\xff\\u202e b.tar: gone\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "error: the system refuses it (No space left on device)"),
        (OSError(errno.EROFS, "Read-only", "run/x"), "error: run/x: the system refuses it (Read-only)"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", b"a/b\xff"), "error: a/b\\xff: the system refuses it"),
        (FileNotFoundError(errno.ENOENT, "No such file", "gone"), "error: gone: the system refuses it"),
    ],
)
def test_what_the_system_refuses_is_one_line(error: OSError, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(error) == 2
    told = capsys.readouterr().err
    assert told.startswith(said)
    assert told.count("\n") == 1


@pytest.mark.parametrize("error", [OSError("no number"), ConnectionResetError(errno.ECONNRESET, "reset")])
def test_other_failures_of_the_system_are_bugs(error: OSError) -> None:
    with pytest.raises(type(error)):
        ends(error)


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(lambda _: 1 // 0)


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
