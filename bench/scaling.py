"""How long a step takes on N processes: a model of four costs, fitted on one and two processes of this machine.

    python -m bench.scaling                     measures here, fits, and compares the model with two processes
    python -m bench.scaling processes=8,64 share=4 image_seconds=0.03 fixed_seconds=0.01 \\
        bytes_per_second=20e9 message_seconds=3e-5 input_seconds=0.0005      calculates; every cost may be set

t(N) = max(crowding (fixed + image * share) + waited, input * share). The ring of a bucket of gradients takes
2 (N - 1) * latency + 2 (N - 1) / N * bytes / bandwidth: each gradient goes round twice, in N pieces.
After the backward all of it is waited for. In the backward, as in a captured step, the rings run one after the other
beside the computing, each from the moment its bucket is complete (bench/overlap.py counts it), and what is not done by
then is waited for before the optimizer's step.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from statistics import median

import numpy as np

from bench import overlap
from bench.driven import ONE_THREAD, Driven, answers_of, ranks, settings
from bench.overlap import BucketSum, sums_of_step
from bench.ratios import Measured, publish, show, summarise
from cartoon_dist.runs.estimate import parameter_counts
from cartoon_dist.train.gradient_averaging import BUCKET_BYTES

SIZE, SHARES, SHARE, PAIRS = 64, (1, 2, 4, 8), 4, 5


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a step costs on a kind of machine; seconds, and bytes a second between two processes.

    crowding: how much slower a process computes when all of its machine's processes do (1 on GPUs of their own).
    input_seconds: a photo and a cartoon with their companions, divided by the workers of a process.
    """

    fixed_seconds: float = 0.0
    image_seconds: float
    message_seconds: float
    bytes_per_second: float
    crowding: float = 1.0
    input_seconds: float = 0.0


def step_seconds(
    costs: Costs, *, num_processes: int, share: int, num_bytes: int, sums: Sequence[BucketSum] | None = None
) -> float:
    """Seconds of a step in which each process has `share` images of its own and averages `num_bytes` of gradients after
    the backward; with `sums` in it."""
    computing = computing_seconds(costs, num_processes, share)
    if sums is None:
        waited = ring_seconds(costs, num_processes, num_bytes)
    else:
        waited = waited_seconds(costs, num_processes, computing, sums)
    return max(computing + waited, costs.input_seconds * share)


def computing_seconds(costs: Costs, num_processes: int, share: int) -> float:
    """Seconds in which a process computes."""
    crowding = costs.crowding if num_processes > 1 else 1.0
    return crowding * (costs.fixed_seconds + costs.image_seconds * share)


def waited_seconds(costs: Costs, num_processes: int, computing: float, sums: Sequence[BucketSum]) -> float:
    """Seconds for which optimizers wait, where rings run beside `computing` seconds of work: one ring at a time, each
    from when its bucket is complete."""
    free = waited = 0.0
    for one, after in zip(sums, [*sums[1:], None], strict=True):
        free = max(free, one.begins * computing + waited) + ring_seconds(costs, num_processes, one.num_bytes)
        if after is None or after.awaited > one.awaited:  # the last one of a network
            waited += max(0.0, free - (one.awaited * computing + waited))
    return waited


def ring_seconds(costs: Costs, num_processes: int, num_bytes: int) -> float:
    """Seconds of the average over the processes."""
    turns, buckets = 2 * (num_processes - 1), -(-num_bytes // BUCKET_BYTES)
    return turns * buckets * costs.message_seconds + turns / num_processes * num_bytes / costs.bytes_per_second


def gradient_bytes(*words: str) -> int:
    """The gradients of all networks of a step, in float32."""
    return 4 * sum(parameter_counts(settings(SIZE, 1, *words)).values())


def table(costs: Costs, *, processes: Sequence[int], share: int, sums: Sequence[BucketSum]) -> str:
    """Seconds of a step with the average after the backward and in it, what of the latter is waited for, images a
    second, and efficiency (images a second of a process, over those of a process alone)."""
    num_bytes = sum(one.num_bytes for one in sums)
    alone = step_seconds(costs, num_processes=1, share=share, num_bytes=num_bytes)
    rows = [
        "| processes | batch | average | step, after | efficiency | step, within | waited | images/s | efficiency |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for num in processes:
        after = step_seconds(costs, num_processes=num, share=share, num_bytes=num_bytes)
        within = step_seconds(costs, num_processes=num, share=share, num_bytes=num_bytes, sums=sums)
        ring = ring_seconds(costs, num, num_bytes)
        waited = waited_seconds(costs, num, computing_seconds(costs, num, share), sums)
        rows.append(
            f"| {num} | {num * share} | {ring:.4f} | {after:.4f} | {alone / after:.0%} | {within:.4f} | {waited:.4f} | "
            f"{num * share / within:.1f} | {alone / within:.0%} |"
        )
    return "\n".join(rows)


def fit_costs(seconds_by_share: dict[int, float]) -> tuple[float, float]:
    """Fixed seconds and seconds an image, by least squares of the relative error; neither below zero."""
    shares, seconds = np.array(list(seconds_by_share)), np.array(list(seconds_by_share.values()))
    rows = np.stack([np.ones(len(shares)), shares], axis=1) / seconds[:, None]
    [fixed, image], *_ = np.linalg.lstsq(rows, np.ones(len(shares)), rcond=None)
    return (float(fixed), float(image)) if fixed > 0 else (0.0, float(np.mean(seconds / shares)))


def measure_costs() -> tuple[Costs, list[tuple[float, float]]]:
    """This machine's costs from one process and from pairs, and pairs of predicted and measured seconds on two."""
    alone = {share: _alone(share) for share in SHARES}
    fixed, image = fit_costs(alone)
    with ExitStack() as stack:
        copies = [stack.enter_context(Driven("ours", SIZE, SHARE, **ONE_THREAD)) for _ in range(2)]
        both = [stack.enter_context(one) for one in ranks("ours", SIZE, SHARE, 2, **ONE_THREAD)]
        senders = [stack.enter_context(one) for one in ranks("traffic", SIZE, SHARE, 2, **ONE_THREAD)]
        for group in (copies, both, senders):
            slowest(group)  # what the first step sets up is not measured
        crowded = median(slowest(copies) for _ in range(PAIRS)) / alone[SHARE]
        small, large = (median(slowest(senders, num) for _ in range(PAIRS)) for num in (1, gradient_bytes()))
        costs = Costs(
            fixed_seconds=fixed,
            image_seconds=image,
            message_seconds=small / 2,
            bytes_per_second=gradient_bytes() / max(large - small, 1e-9),
            crowding=max(1.0, crowded),
        )
        predicted = step_seconds(costs, num_processes=2, share=SHARE, num_bytes=gradient_bytes())
        return costs, [(predicted, slowest(both)) for _ in range(PAIRS)]


def main() -> Iterator[Measured]:
    """Fit the costs here, print them, and compare the model's prediction with two processes."""
    costs, pairs = measure_costs()
    show(f"scaling, {SIZE} px, one thread a process: {costs_as_words(costs)}")
    yield summarise(
        pairs, name="scaling_model", goal=0.8, better="higher", against="seconds measured on two processes (1 is exact)"
    )


def costs_as_words(costs: Costs) -> str:
    """The costs as the words that this command reads."""
    return " ".join(f"{field.name}={getattr(costs, field.name):.3g}" for field in fields(costs))


def calculate(words: Sequence[str]) -> str:
    """The table for the costs in `name=value` words."""
    values = dict(word.split("=", 1) for word in words)
    processes = [int(num) for num in values.pop("processes", "1,8,64").split(",")]
    share = int(values.pop("share", "4"))
    costs = Costs(image_seconds=0.03, message_seconds=3e-5, bytes_per_second=20e9)
    costs = replace(costs, **{name: float(value) for name, value in values.items()})
    sums = sums_of_step(settings(overlap.SIZE, 1))
    return f"{costs_as_words(costs)}\n{table(costs, processes=processes, share=share, sums=sums)}"


def _alone(share: int) -> float:
    with Driven("ours", SIZE, share, **ONE_THREAD) as one:
        slowest([one])
        return median(slowest([one]) for _ in range(PAIRS))


def slowest(driven: Sequence[Driven], steps: int = 1) -> float:
    """Seconds of a step of processes that step at the same time."""
    return max(seconds for seconds, _ in answers_of(driven, steps))


if __name__ == "__main__":
    if sys.argv[1:]:
        show(calculate(sys.argv[1:]))
    else:
        publish(main())
