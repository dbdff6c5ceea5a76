"""One of the processes of the stage `averaging`: `python -m bench.gpu_proof.averaging_rank OUT SESSION`.

The launcher's variables name its rank and where to meet. All of them make the same steps, of the same ways in the same
order; the first one writes a line for each way as soon as it was measured.
"""

import argparse
import gc
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
import torch.distributed as dist

from bench.gpu_proof import switches
from bench.gpu_proof.averaging import BATCH_SIZE, ways_of
from bench.gpu_proof.record import Session
from bench.gpu_proof.timing import Timed, device_name, forget_precision, our_step, prepared, settings_of, time_in_turn
from cartoon_dist.distributed import devices
from cartoon_dist.gpu import switch
from cartoon_dist.gpu.switch import Optimisation

NUM_WARM, NUM_ROUNDS, STEPS_A_ROUND = 6, 5, 8
REHEARSED_WARM = 5


def main(argv: Sequence[str]) -> int:
    """0 when every way was measured; a failure is a traceback."""
    parser = argparse.ArgumentParser()
    for name in ("out", "session"):
        parser.add_argument(name)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--without", action="append", default=[])
    words = parser.parse_args(argv)
    session = Session(Path(words.out), words.session, words.rehearse, tuple(words.without))
    device = devices.choose_device("auto")
    dist.init_process_group("gloo" if device.type == "cpu" else "nccl")
    if session.rehearse:
        torch.set_num_threads(1)
    batch_size = 1 if session.rehearse else BATCH_SIZE
    for name, left_out in ways_of(session.without):
        row = _measured(session, name, left_out, batch_size).row(
            batch_size=batch_size * dist.get_world_size(), peak_flops=None
        )
        if dist.get_rank() == 0:
            head = {"device": device_name(), "batch_size": batch_size, "processes": dist.get_world_size()}
            session.append(stage="averaging", part="averaged", left_out=list(left_out), **head, **row)
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    dist.barrier()
    dist.destroy_process_group()
    return 0


def _measured(session: Session, name: str, left_out: Sequence[Optimisation], batch_size: int) -> Timed:
    """The same number of steps in every process, or one would wait for the others for ever."""
    settings = settings_of(
        f"batch_size={batch_size}",
        "precision=bf16",
        *switches.settings(session.without),
        rehearse=session.rehearse,
    )
    mode = "none" if "capture" in session.without else "iteration"
    forget_precision()
    with switch.disabled(*left_out), ExitStack() as stack:
        num_warm = REHEARSED_WARM if session.rehearse else NUM_WARM
        timed = prepared(name, lambda: our_step(settings, mode, stack), num_warm=num_warm)
        rounds, steps = (1, 1) if session.rehearse else (NUM_ROUNDS, STEPS_A_ROUND)
        time_in_turn({name: timed}, num_rounds=rounds, steps_a_round=steps, until=lambda: False)
    if timed.failure:
        raise RuntimeError(timed.failure)
    return timed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
