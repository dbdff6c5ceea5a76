"""Commands that are forked end, print and are told of their place as new interpreters are."""

from pathlib import Path

import pytest

from tests.running import helper

SAYS = """
import os
import signal
import sys
import threading

how = sys.argv[1]
if how == "raises":
    raise ValueError("a bug")
if how == "is killed":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "goes on in a thread":
    threading.Timer(0.05, print, ["later"]).start()
print(os.environ.get("RANK"), os.environ.get("MORE"), len(set(sys.modules) & {"__main__"}))
sys.exit(int(how) if how.isdecimal() else None)
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forked") / "says.py"
    path.write_text(SAYS)
    return path


def test_status_and_words(script: Path) -> None:
    done = helper(script, "7", MORE="more")
    assert (done.returncode, done.stdout, done.stderr) == (7, "None more 1\n", "")
    assert helper(script, "0").stdout == "None None 1\n"  # what another was given is gone


def test_an_error_is_shown_with_its_place(script: Path) -> None:
    done = helper(script, "raises")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert f'File "{script}", line 9, in <module>' in done.stderr
    assert done.stderr.endswith("ValueError: a bug\n")


def test_a_signal_is_the_status(script: Path) -> None:
    assert helper(script, "is killed").returncode == -9


def test_threads_are_waited_for(script: Path) -> None:
    assert helper(script, "goes on in a thread").stdout.splitlines() == ["None None 1", "later"]


def test_several_have_ranks_and_the_status_of_the_one_that_fails(script: Path) -> None:
    done = helper(script, "3", num_processes=2)
    assert done.returncode == 3
    assert sorted(done.stdout.splitlines()) == ["0 None 1", "1 None 1"]
