"""How long a step takes on N processes: a model of four costs, fitted on one and two processes of this machine.

    python -m bench.scaling                     measures here, fits, and compares the model with two processes
    python -m bench.scaling processes=8,64 share=4 image_seconds=0.03 fixed_seconds=0.01 \\
        bytes_per_second=20e9 message_seconds=3e-5 input_seconds=0.0005      calculates; every cost may be set

t(N) = max(crowding (fixed + image * share) + ring, input * share), with
ring = 2 (N - 1) messages * latency + 2 (N - 1) / N * bytes / bandwidth: each gradient goes round twice, in N pieces.
The average begins after the backward and overlaps with nothing, as in a captured step; DDP hides part of it.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from statistics import median

import numpy as np

from bench.driven import ONE_THREAD, Driven, answers_of, ranks, settings
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


def step_seconds(costs: Costs, *, num_processes: int, share: int, num_bytes: int) -> float:
    """Seconds of a step in which each process has `share` images of its own and averages `num_bytes` of gradients."""
    crowding = costs.crowding if num_processes > 1 else 1.0
    computing = crowding * (costs.fixed_seconds + costs.image_seconds * share)
    return max(computing + ring_seconds(costs, num_processes, num_bytes), costs.input_seconds * share)


def ring_seconds(costs: Costs, num_processes: int, num_bytes: int) -> float:
    """Seconds of the average over the processes."""
    turns, buckets = 2 * (num_processes - 1), -(-num_bytes // BUCKET_BYTES)
    return turns * buckets * costs.message_seconds + turns / num_processes * num_bytes / costs.bytes_per_second


def gradient_bytes(*words: str) -> int:
    """The gradients of all networks of a step, in float32."""
    return 4 * sum(parameter_counts(settings(SIZE, 1, *words)).values())


def table(costs: Costs, *, processes: Sequence[int], share: int, num_bytes: int) -> str:
    """Seconds, images a second and efficiency (images a second of a process, over those of a process alone)."""
    alone = step_seconds(costs, num_processes=1, share=share, num_bytes=num_bytes)
    rows = [
        "| processes | batch | seconds a step | of it average | images/s | efficiency |",
        "|---|---|---|---|---|---|",
    ]
    for num in processes:
        seconds = step_seconds(costs, num_processes=num, share=share, num_bytes=num_bytes)
        ring = ring_seconds(costs, num, num_bytes)
        rate = num * share / seconds
        rows.append(f"| {num} | {num * share} | {seconds:.4f} | {ring:.4f} | {rate:.1f} | {alone / seconds:.0%} |")
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
    return f"{costs_as_words(costs)}\n{table(costs, processes=processes, share=share, num_bytes=gradient_bytes())}"


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
