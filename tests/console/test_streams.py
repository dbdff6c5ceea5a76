"""A command's output holds no control characters, and a reader that stops reading does not undo its work."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cartoon_dist.console.messages import print_message, print_result
from cartoon_dist.console.streams import SafeTextStream
from tests.running import ROOT, environment

COMMAND = """
import sys
from pathlib import Path
from cartoon_dist.commands.main import run_command
from tests.running import ROOT, ROOT

def main(words):
    for number in range(20_000):
        print("cat \\x1b[2J\\udcff \\u202e ü 漢", number)
        print("warning: \\x1b]0;x\\x07 \\r", number, file=sys.stderr)
    Path(words[0]).write_text("made")
    return 0

run_command(main)
"""


@contextmanager
def stream(descriptor: int, *, carriage_return: bool = False, encoding: str = "utf-8") -> Iterator[SafeTextStream]:
    with open(os.devnull, "w", encoding=encoding) as original:  # noqa: PTH123
        safe = SafeTextStream(descriptor, original, carriage_return=carriage_return)
        yield safe
        safe.detach()


def test_commands_print_to_standard_error_through_it_only() -> None:
    """A `print` to standard error would let a file's name make two lines of one."""
    for path in (ROOT / "cartoon_dist/commands").glob("*.py"):
        assert path.stem in ("main", "streams") or "file=sys.stderr" not in path.read_text(), path


def test_a_message_is_one_line_whatever_names_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    print_message("skipped a\nerror: forged\x1b[2J: empty")
    print_result("out\u202e\r: made")
    assert capsys.readouterr() == ("out\\u202e\\r: made\n", "skipped a\\nerror: forged\\x1b[2J: empty\n")


def read_back(*texts: str, **how: object) -> bytes:
    reading, writing = os.pipe()
    with stream(writing, **how) as made:  # type: ignore[arg-type]
        for text in texts:
            assert made.write(text) == len(text)
        made.flush()
    os.close(writing)
    with open(reading, "rb") as read:  # noqa: PTH123
        return read.read()


def test_control_characters_are_escaped() -> None:
    assert read_back("a\x1b[2J\r\udcff\u202e\n", "ü漢\t\n") == "a\\x1b[2J\\r\\xff\\u202e\nü漢\t\n".encode()
    assert read_back("\r 3 % \x1b\r 4 %\n", carriage_return=True) == b"\r 3 % \\x1b\r 4 %\n"


def test_what_an_encoding_lacks_is_escaped() -> None:
    assert read_back("ü漢\x9b\udcff\n", encoding="ascii") == b"\\xfc\\u6f22\\x9b\\xff\n"


def test_writes_after_the_reader_has_gone_go_to_dev_null() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with stream(writing) as made:
        for _ in range(3):
            made.write("x" * 100_000)
            made.flush()
        assert os.path.samestat(os.fstat(writing), Path(os.devnull).stat())
    os.close(writing)


def test_a_full_disk_fails_standard_output_but_not_standard_error() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with stream(full) as made:
        with pytest.raises(OSError, match="No space"):
            made.write("x" * 100_000)
        os.dup2(os.open(os.devnull, os.O_WRONLY), full)
    os.dup2(os.open("/dev/full", os.O_WRONLY), full)
    with stream(full, carriage_return=True) as made:
        for _ in range(3):
            made.write("x" * 100_000)
            made.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full)
    os.close(full)


@pytest.mark.parametrize("reader", ["| head -n 1", "2>&1 | true", ">&- 2>&-", "| PYTHONIOENCODING= cat > out"])
def test_a_command_exits_zero_whoever_reads(reader: str, tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {reader}', "bash", sys.executable, str(script), str(tmp_path / "made")],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, (tmp_path / "made").read_text()) == (0, "made")
    said = done.stdout + done.stderr + ((tmp_path / "out").read_text() if (tmp_path / "out").exists() else "")
    assert "Traceback" not in said
    assert "Error" not in said
    assert said.isascii()
    assert said.replace("\n", "").replace("\r", "").isprintable()


def test_a_full_disk_behind_standard_output_is_reported(tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(COMMAND.replace("20_000", "1"))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path / "made")],
            env=environment() | {"PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: the system refuses it (No space left on device); make room or choose another place, then give the same "
        "command again"
    )
