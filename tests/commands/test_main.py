"""How a command begins and ends."""

import errno
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cartoon_dist.commands import main as commands_main
from cartoon_dist.commands.main import EXIT_STOPPED, run_command
from cartoon_dist.console.signals import STOP_SIGNALS
from cartoon_dist.errors import CartoonError, ConfigError, ShardError
from tests.running import LIMIT_SECONDS, environment, train_command


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
    for name in ("RANK", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


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


def test_under_a_launcher_an_error_that_rank_0_has_not_had_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setattr(commands_main, "_TURN_SECONDS", 0.0)
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        assert ends(ConfigError("this node lacks av")) == 2
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert capsys.readouterr().err == "process 1: this node lacks av\n"


RANK_0_IS_LATE = """
import os, time
from pathlib import Path
waits, sleep = Path(__file__).with_name("rank 1 waits"), time.sleep
def sleep_long(seconds):
    if seconds > 5:
        waits.touch()
        seconds = 1000
    sleep(seconds)
if os.environ.get("RANK") == "1":
    time.sleep = sleep_long
while os.environ.get("RANK") == "0" and not waits.exists():
    sleep(0.01)
"""
RANK_1_IS_LATE = """
import os, threading
if os.environ.get("RANK") == "1":
    threading.Event().wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize("program", [RANK_0_IS_LATE, RANK_1_IS_LATE], ids=["rank 0 is late", "rank 1 is late"])
def test_rank_0_tells_of_an_error_also_where_another_is_earlier(tmp_path: Path, program: str) -> None:
    """The launcher ends all processes as soon as one has left. Each order is certain, however slow the machine is."""
    (tmp_path / "sitecustomize.py").write_text(program)
    done = subprocess.run(
        train_command([f"run_dir={tmp_path / 'run'}", "no_such_setting=1"], num_processes=2, config="cpu"),
        env=environment() | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if "no_such_setting" in line]
    assert len(told) == 1
    assert told[0].startswith("error: ")


@pytest.mark.slow
def test_a_command_does_not_wait_for_what_only_a_score_needs() -> None:
    """torch-fidelity brings torchvision, and that torch's compiler: as long again as the rest of the start."""
    program = (
        "import sys; from cartoon_dist.commands import export, fid, report, submit, train\n"
        "print(sorted({'torch_fidelity', 'torchvision', 'torch._dynamo'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
