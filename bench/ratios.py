"""Ratios of times: ours to theirs, measured in turn, so that other load on the machine slows both alike."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

FILE = Path(__file__).parents[1] / "bench.jsonl"
"""One JSON object a line, a measurement each; lines are only ever appended."""

Work = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The result of a measurement: the median ratio, the lowest and the highest, over `runs` pairs of times.

    better: which side of the goal is the good one. against: what the time is divided by.
    """

    name: str
    ratio: float
    low: float
    high: float
    goal: float
    better: Literal["lower", "higher"]
    runs: int
    against: str

    @property
    def reached(self) -> bool:
        """Whether the median is at the goal or on its good side."""
        return self.ratio <= self.goal if self.better == "lower" else self.ratio >= self.goal


def summarise(
    pairs: Sequence[tuple[float, float]], *, name: str, goal: float, better: Literal["lower", "higher"], against: str
) -> Measured:
    """Median, lowest and highest of ours / theirs over pairs of times in seconds."""
    ratios = [ours / theirs for ours, theirs in pairs]
    return Measured(
        name=name,
        ratio=median(ratios),
        low=min(ratios),
        high=max(ratios),
        goal=goal,
        better=better,
        runs=len(ratios),
        against=against,
    )


def time_in_turn(ours: Work, theirs: Work) -> tuple[float, float]:
    """Seconds of one call of each, one right after the other."""
    return seconds(ours), seconds(theirs)


def seconds(work: Work) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def record(measured: Measured, file: Path = FILE) -> None:
    """Add a measurement to the file as one line of JSON."""
    rounded = {key: round(getattr(measured, key), 4) for key in ("ratio", "low", "high")}
    line = json.dumps({**vars(measured), **rounded}, allow_nan=False)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line + "\n")


def table(results: Iterable[Measured]) -> str:
    """The measurements as a Markdown table; a goal that was missed is marked."""
    rows = ["| name | ratio | low | high | goal | | runs | against |", "|---|---|---|---|---|---|---|---|"]
    for one in results:
        sign, verdict = "<=" if one.better == "lower" else ">=", "reached" if one.reached else "MISSED"
        rows.append(
            f"| {one.name} | {one.ratio:.3f} | {one.low:.3f} | {one.high:.3f} | {sign} {one.goal:g} | {verdict} "
            f"| {one.runs} | {one.against} |"
        )
    return "\n".join(rows)


def show(text: str) -> None:
    """Print at once, also into a file or a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def publish(results: Iterable[Measured], file: Path = FILE) -> None:
    """Add each measurement to the file when it is made, and print the table of all at the end.

    A measurement takes minutes: when a later one fails or the process is killed, the earlier ones are in the file.
    """
    measurements: list[Measured] = []
    try:
        for one in results:
            record(one, file)
            measurements.append(one)
    finally:
        show(table(measurements))
