"""Which stages there are, and how the minutes are divided among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""

GPU_TESTS = (
    "capture",
    "kept",
    "memory",
    "agreement",
    "resume",
    "two_ranks",
    "scores",
    "cartoonize",
    "export",
    "fused_ops",
)
"""Groups of tests: `NAME` is the stage that runs tests/gpu/test_NAME.py."""

RESERVE_SECONDS = 4.0
"""Kept back at the end: to end a process that hangs, and to print the table."""
CORES_A_STAGE = 2
"""Of the stages that may run at the same time, one for so many CPU cores: each starts processes of its own."""


@dataclass(frozen=True)
class Stage:
    """A process of its own.

    share: its part of the time, against the shares of the stages after it. least_seconds: with less it is not begun.
    module: of bench.gpu_proof, with a function `run`; command: started instead of it. concurrent: it may run at the
    same time as its neighbours that are concurrent too, as it measures nothing.
    """

    name: str
    share: float
    module: str = ""
    least_seconds: float = 5.0
    command: tuple[str, ...] = ()
    concurrent: bool = False


STAGES = (
    Stage("versions", 16, "versions", least_seconds=2.0),
    *(
        Stage(name, 14 if name in ("capture", "two_ranks", "fused_ops") else 4, "gpu_tests", concurrent=True)
        for name in GPU_TESTS
    ),
    Stage("averaging", 26, "averaging", least_seconds=12.0),
    Stage("switches", 52, "switched", least_seconds=12.0),
    Stage("drawing", 20, "drawing", least_seconds=8.0),
    Stage("profile", 14, "kernel_profile"),
    Stage("compiled", 12, "compiled"),
    Stage("input", 22, "input", least_seconds=12.0),
    Stage("training", 26, "training", least_seconds=15.0),
    Stage("speed", 40, "speed", least_seconds=15.0),
)
"""In order: what matters most comes first, and the last one can use all the time that the others leave. The first
import of torch from a cold disk may take most of the first one's."""


def time_limit(stages: Sequence[Stage], seconds_left: float, *, num_first: int = 1) -> float:
    """Seconds that the first of the stages may take together, of those that all of them have left.

    Time that a stage leaves over goes to all that follow, and a stage that hangs takes nothing but its own share.
    """
    if not stages:
        return 0.0
    first = sum(stage.share for stage in stages[:num_first])
    return max(0.0, seconds_left) * first / sum(stage.share for stage in stages)


def in_groups(stages: Sequence[Stage]) -> list[list[Stage]]:
    """The stages in order, those that may run at the same time in one list."""
    groups: list[list[Stage]] = []
    for stage in stages:
        if stage.concurrent and groups and groups[-1][-1].concurrent:
            groups[-1].append(stage)
        else:
            groups.append([stage])
    return groups


def limit_in_group(stage: Stage, waiting: Sequence[Stage], seconds_left: float, *, num_at_once: int) -> float:
    """Seconds that a stage may take of those that its group has left, of which so many stages run at once.

    waiting: those that have not begun, this one among them. As many at once as there are, and each may take them all.
    """
    share = stage.share / sum(other.share for other in waiting)
    return max(0.0, seconds_left) * min(1.0, num_at_once * share if num_at_once < len(waiting) else 1.0)
