"""What a long job prints on standard error, with a clock that the test sets."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from cartoon_dist.console.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_half_a_minute_and_the_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Progress(total=1000, unit="photos", label="OUT", done=100, clock=clock) as progress:
        for second in range(1, 71):
            clock.now = 100.0 + second
            progress.update(100 + 2 * second, f"at {second}")
    assert capsys.readouterr().err.splitlines() == [
        "OUT: 160/1000 photos (16 %), 2 photos/s, 7:00 left, at 30",
        "OUT: 220/1000 photos (22 %), 2 photos/s, 6:30 left, at 60",
        "OUT: 240/1000 photos (24 %), 2 photos/s, 6:20 left, at 70",
    ]


def test_the_time_left_counts_work_where_units_differ(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Progress(total=4, unit="pictures", label="OUT", work=100.0, clock=clock) as progress:
        clock.now += 30
        progress.update(3, work=10.0)  # three small pictures, and a large one
        clock.now += 90
        progress.update(3, "pass 1 of 3", work=40.0)
        clock.now += 10
        progress.update(4, work=100.0)
    assert capsys.readouterr().err.splitlines() == [
        "OUT: 3/4 pictures (75 %), 0.1 pictures/s, 4:30 left",
        "OUT: 3/4 pictures (75 %), 0.025 pictures/s, 3:00 left, pass 1 of 3",
        "OUT: 4/4 pictures (100 %), 0.0308 pictures/s",
    ]


def test_control_characters_in_names_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(total=2, unit="photos", label="a\nb\x1b[2J") as progress:
        progress.update(1, "c\r\udcff\u202e")
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("a\\nb\\x1b[2J: 1/2 photos")
    assert line.endswith("c\\r\\xff\\u202e")


def test_a_job_with_nothing_to_do_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(total=5, unit="photos", label="OUT", done=5):
        pass
    assert capsys.readouterr() == ("", "")


def test_not_shown_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(total=5, unit="photos", label="OUT", shown=False) as progress:
        progress.update(5)
    assert capsys.readouterr() == ("", "")


def test_closing_twice_prints_once_and_hours_are_written_as_hours(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    progress = Progress(total=7201, unit="steps", label="run", clock=clock)
    clock.now += 1
    progress.update(1)
    progress.close()
    progress.close()
    assert capsys.readouterr().err == "run: 1/7201 steps (0 %), 1 steps/s, 2:00:00 left\n"


@pytest.mark.parametrize("work", ["", ", work=5.0"])
def test_a_terminal_gets_a_bar(work: str) -> None:
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    code = (
        "from cartoon_dist.console.progress import Progress\n"
        f"with Progress(total=4, unit='steps', label='run'{work}) as p:\n"
        "    [p.update(n, 'loss 1') for n in range(1, 5)]\n"
    )
    subprocess.run([sys.executable, "-c", code], stderr=inner, check=True)
    os.write(inner, b"END")
    shown = b""
    while not shown.endswith(b"END"):
        shown += os.read(outer, 4096)
    os.close(inner)
    os.close(outer)
    assert b"run: 100%" in shown
    assert b"4/4" in shown
