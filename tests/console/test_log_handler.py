"""What library code logs: a command prints it as a line of its own, a program that imports the package hears nothing
it has not asked for."""

import logging
import subprocess
import sys

import pytest

from cartoon_dist.commands.main import status_of
from cartoon_dist.console.log_handler import log_to_console
from tests.running import ROOT, environment

logger = logging.getLogger("cartoon_dist.data.some_module")


def test_a_command_prints_what_is_logged_as_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main(_: object) -> int:
        logger.warning("%s: ends early", "a\nerror: forged\x1b[2J.mp4")
        logger.debug("not printed")
        return 0

    assert status_of(main, []) == 0
    assert capsys.readouterr() == ("", "warning: a\\nerror: forged\\x1b[2J.mp4: ends early\n")


def test_a_record_is_printed_once_by_commands_in_commands_and_beside_other_handlers(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    package = logging.getLogger("cartoon_dist")
    before = list(package.handlers)
    with log_to_console():
        with log_to_console():
            logger.warning("inner")
        logger.warning("outer")
    assert capsys.readouterr().err == "warning: inner\nwarning: outer\n"
    assert caplog.messages == []  # the root logger's handlers get none of it
    assert (package.handlers, package.propagate) == (before, True)
    logger.warning("after")
    assert caplog.messages == ["after"]
    assert capsys.readouterr().err == ""


def test_other_ranks_are_silent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with log_to_console():
        logger.warning("told by rank 0")
    assert capsys.readouterr().err == ""


def test_a_program_that_imports_the_package_decides_what_is_printed() -> None:
    code = "import logging, cartoon_dist; logging.getLogger('cartoon_dist.data').warning('a'); {more}"
    more = "logging.basicConfig(); logging.getLogger('cartoon_dist.data').warning('b')"
    command = [sys.executable, "-c", code.format(more=more)]
    said = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    assert said.stderr == "WARNING:cartoon_dist.data:b\n"


def test_only_commands_and_the_rooms_that_run_them_print() -> None:
    print_themselves = {"capture", "commands", "config", "console", "report", "train"}
    files = [path for path in (ROOT / "cartoon_dist").rglob("*.py") if "print_message" in path.read_text("utf-8")]
    assert {path.relative_to(ROOT / "cartoon_dist").parts[0] for path in files} <= print_themselves
