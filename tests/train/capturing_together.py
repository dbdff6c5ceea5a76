"""Two processes that train plain and replayed, started by test_capture.py: `capturing_together.py RANK MEETING`."""

import json
import sys
from itertools import product

import torch
import torch.distributed as dist
from capturing import PLAIN, ROWS, capture, differing, phases, settings, step, train

from cartoon_dist.train.phases import Phases


def main(rank: int, meeting: str) -> None:
    """Print what was found as JSON."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    found: dict[str, object] = {"replayed": replayed()}
    found["ddp"] = from_ddp()
    fallen = phases(settings("ressal_cbam"), capture("iteration", require=False), fails_on_one)
    plain = phases(settings("ressal_cbam"), PLAIN)
    for number in range(5):
        step(plain, number)
        step(fallen, number)
    found["fallen_back"] = fallen.captured["gan"].refused
    found["after_falling_back"] = differing(plain, fallen)
    sys.stdout.write(json.dumps(found))
    dist.destroy_process_group()


def replayed() -> dict[str, list[str]]:
    """By case, the tensors that a replay makes otherwise than plain steps."""
    found = {}
    for number, (row, precision) in enumerate(product(ROWS, ("fp32", "bf16"))):
        # In parts, and of each kind, every second time.
        num_parts, mode = 1 + number // 2 % 2, ("generator", "iteration")[number % 2 ^ number // 4]
        small = settings(row, f"precision={precision}", f"accumulate={num_parts}")
        plain, recorded = phases(small, PLAIN), phases(small, capture(mode))
        expected, got = train(plain, 20), train(recorded, 20)
        assert got == expected, (row, precision, num_parts)
        found[f"{row}, {precision}, {num_parts} parts, {mode}"] = differing(plain, recorded)
    return found


def from_ddp() -> float:
    """The largest difference of any tensor between DDP's steps and ours in float64."""
    small = settings("ressal_cbam", "precision=fp64")
    plain, recorded = phases(small, PLAIN), phases(small, capture("iteration"))
    for made in (plain, recorded):
        train(made, 20, num_warmup=6)
    one, other = plain.state.tensors(), recorded.state.tensors()
    return max((t - other[kind][n]).abs().max().item() for kind, named in one.items() for n, t in named.items())


def fails_on_one(made: Phases) -> None:
    """One process cannot record."""
    if dist.get_rank() == 1:

        def refuse(*_given: object, **_named: object) -> None:
            raise RuntimeError("planted")

        made.captured["gan"].recorder.record = refuse  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
