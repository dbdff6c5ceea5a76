"""A step of training on CPU, paper widths, against the textbook's and against the hardware: `python -m bench.step`.

Each ratio is of two processes that step in turn, or of two pairs of processes; it is given by the clock and, as
`NAME_work`, by processor time, which other load on the machine affects less. `python -m bench.step 64` leaves the large
pictures out, `python -m bench.step 0` measures the two processes alone.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from statistics import mean, median

from bench.driven import ONE_THREAD, Driven, answers_of, ranks
from bench.ratios import Measured, publish, show, summarise

SHAPES = {64: 8, 256: 4}
"""Batch size by picture size."""
PAIRS = {64: 7, 256: 3}
FEW = {64: 3, 256: 1}
"""Pairs of the measurements that matter less."""
GOAL_TEXTBOOK, GOAL_CEILING, GOAL_SCALING = 1.35, 0.8, 0.9
SCALING_SIZE, SCALING_BATCH, SCALING_STEPS = 64, 8, 2


def main(sizes: Sequence[int] = tuple(SHAPES)) -> Iterator[Measured]:
    """All ratios, larger is better."""
    for size in filter(None, sizes):
        with Driven("ours", size, SHAPES[size]) as ours:
            yield from against(ours, "detached", size, PAIRS[size])
            yield from against(ours, "undetached", size, FEW[size])
            yield from against_ceiling(ours, size)
    yield from two_processes()


def against(ours: Driven, drawn: str, size: int, num: int) -> Iterator[Measured]:
    """The textbook's seconds of a step over ours."""
    with Driven(drawn, size, SHAPES[size]) as theirs:
        pairs = in_turn(theirs, ours, num)
    yield from wall_and_work(
        pairs, f"step_{size}_vs_{drawn}", GOAL_TEXTBOOK, f"the {drawn} textbook's step, its time over ours"
    )


def against_ceiling(ours: Driven, size: int) -> Iterator[Measured]:
    """What the step's FLOPs would take at the convolutions' measured rate, over ours."""
    with Driven("ceiling", size, SHAPES[size]) as ceiling:
        pairs = in_turn(ceiling, ours, FEW[size] + 1)
    clock, work, flops = map(median, zip(*(theirs for theirs, _ in pairs), strict=True))
    show(f"step_{size}: {flops / 1e9:.0f} GFLOP a step, {flops / clock / 1e9:.0f} GFLOP/s in its convolutions")
    show(f"step_{size}: {flops / work / 1e9:.0f} GFLOP a second of processor time")
    yield from wall_and_work(
        pairs, f"step_{size}_vs_ceiling", GOAL_CEILING, "counted FLOPs at the measured rate, their time over ours"
    )


def two_processes() -> Iterator[Measured]:
    """Two processes of one thread that average their gradients, against two independent ones."""
    pairs = []
    with ExitStack() as stack:
        copies = [stack.enter_context(Driven("ours", SCALING_SIZE, SCALING_BATCH, **ONE_THREAD)) for _ in range(2)]
        both = [stack.enter_context(one) for one in ranks("ours", SCALING_SIZE, SCALING_BATCH, 2, **ONE_THREAD)]
        for group in (copies, both):
            answers_of(group)  # what the first step sets up is not measured
        for _ in range(PAIRS[SCALING_SIZE]):
            # A step of both kinds is of as many samples: the means over the two processes are compared.
            pair = (_mean(answers_of(copies, SCALING_STEPS)), _mean(answers_of(both, SCALING_STEPS)))
            pairs.append(pair)
    yield from wall_and_work(
        pairs, "step_two_processes", GOAL_SCALING, "two independent copies of one process, their time over ours"
    )


def in_turn(theirs: Driven, ours: Driven, num: int) -> list[tuple[list[float], list[float]]]:
    """Their seconds and ours, so many times; the first of each is not counted."""
    return [(answers_of([theirs])[0], answers_of([ours])[0]) for _ in range(num + 1)][1:]


def wall_and_work(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]], name: str, goal: float, against: str
) -> Iterator[Measured]:
    """The ratios of their times to ours, by the clock and by processor time; prints both sides' medians."""
    for place, suffix in enumerate(("", "_work")):
        times = [(theirs[place], ours[place]) for theirs, ours in pairs]
        theirs, ours = (median(side) for side in zip(*times, strict=True))
        show(f"{name}{suffix}: {ours:.2f} s a step, to {theirs:.2f} s")
        yield summarise(times, name=name + suffix, goal=goal, better="higher", against=against)


def _mean(answers: Sequence[Sequence[float]]) -> list[float]:
    return [mean(side) for side in zip(*answers, strict=True)]


if __name__ == "__main__":
    publish(main([int(word) for word in sys.argv[1:]] or tuple(SHAPES)))
