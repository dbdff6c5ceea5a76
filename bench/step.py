"""A step of training on CPU, paper widths, against the textbook's and against the hardware: `python -m bench.step`.

Every number is of two processes that step in turn, or for the processes side by side. `python -m bench.step 64` leaves
the large pictures out.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from statistics import median

from bench.driven import Driven, ranks, seconds_of
from bench.ratios import Measured, publish, show, summarise

SHAPES = {64: 8, 256: 4}
"""Batch size by picture size."""
PAIRS = {64: 7, 256: 5}
FEW = {64: 3, 256: 2}
"""Pairs of what is only told beside."""
GOAL_TEXTBOOK, GOAL_CEILING, GOAL_SCALING = 1.35, 0.8, 0.9
SCALING_SIZE, SCALING_BATCH, SCALING_STEPS = 64, 8, 2
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main(sizes: Sequence[int] = tuple(SHAPES)) -> Iterator[Measured]:
    """All ratios, larger is better."""
    for size in sizes:
        with Driven("ours", size, SHAPES[size]) as ours:
            yield against(ours, "detached", size, PAIRS[size])
            yield against(ours, "undetached", size, FEW[size])
            yield against_ceiling(ours, size)
    yield two_processes()


def against(ours: Driven, drawn: str, size: int, num: int) -> Measured:
    """The textbook's seconds of a step over ours."""
    with Driven(drawn, size, SHAPES[size]) as theirs:
        pairs = in_turn(theirs, ours, num)
    return told(pairs, f"step_{size}_vs_{drawn}", GOAL_TEXTBOOK, f"the {drawn} textbook's step, its time over ours")


def against_ceiling(ours: Driven, size: int) -> Measured:
    """What the step's FLOPs would take at the convolutions' measured rate, over ours."""
    with Driven("ceiling", size, SHAPES[size]) as ceiling:
        pairs = in_turn(ceiling, ours, PAIRS[size])
        ceiling.ask(1)
        seconds, flops = ceiling.answer()
    show(f"step_{size}: {flops / 1e9:.0f} GFLOP a step, {flops / seconds / 1e9:.0f} GFLOP/s in its convolutions")
    return told(
        pairs, f"step_{size}_vs_ceiling", GOAL_CEILING, "counted FLOPs at the measured rate, their time over ours"
    )


def two_processes() -> Measured:
    """Two processes of one thread that average their gradients, against two that know nothing of each other."""
    pairs = []
    with ExitStack() as stack:
        copies = [stack.enter_context(Driven("ours", SCALING_SIZE, SCALING_BATCH, **ONE_THREAD)) for _ in range(2)]
        both = [stack.enter_context(one) for one in ranks(SCALING_SIZE, SCALING_BATCH, 2, **ONE_THREAD)]
        for group in (copies, both):
            seconds_of(group)  # what the first step sets up is not measured
        for _ in range(PAIRS[SCALING_SIZE]):
            # Samples a second of the copies together and of the pair, which go at one pace.
            apart = sum(1 / seconds for seconds in seconds_of(copies, SCALING_STEPS))
            pairs.append((2 / max(seconds_of(both, SCALING_STEPS)), apart))
    return told(pairs, "step_two_processes", GOAL_SCALING, "samples a second of two independent copies", reverse=True)


def in_turn(theirs: Driven, ours: Driven, num: int) -> list[tuple[float, float]]:
    """Their seconds and ours, so many times; the first of each is not counted."""
    return [(seconds_of([theirs])[0], seconds_of([ours])[0]) for _ in range(num + 1)][1:]


def told(pairs: list[tuple[float, float]], name: str, goal: float, against: str, *, reverse: bool = False) -> Measured:
    """The ratio of the pairs, and both sides' medians in words."""
    theirs, ours = (median(side) for side in zip(*pairs, strict=True))
    show(f"{name}: {ours:.3f}, {theirs:.3f}" if reverse else f"{name}: {ours:.2f} s a step, to {theirs:.2f} s")
    return summarise(pairs, name=name, goal=goal, better="higher", against=against)


if __name__ == "__main__":
    publish(main([int(word) for word in sys.argv[1:]] or tuple(SHAPES)))
