"""Stage `profile`: which kernels a captured step runs, and how long each kind of them takes."""

from contextlib import ExitStack
from typing import Any

from bench.gpu_proof import switches
from bench.gpu_proof.kernels import summary
from bench.gpu_proof.task import StageError, Task
from bench.gpu_proof.timing import device_name, our_step, recorded_kernels, settings_of

BATCH_SIZE, NUM_WARM, NUM_STEPS = 8, 8, 5


def run(task: Task) -> dict[str, Any]:
    """The groups and the longest kernels, a step of batch 8 in bf16, recorded whole."""
    mode = "none" if "capture" in task.without else "iteration"
    batch_size, num_steps = (1, 1) if task.rehearse else (BATCH_SIZE, NUM_STEPS)
    words = (f"batch_size={batch_size}", "precision=bf16", *switches.settings(task.without))
    with ExitStack() as stack:
        step = our_step(settings_of(*words, rehearse=task.rehearse), mode, stack)
        for _ in range(5 if task.rehearse else NUM_WARM):
            step()
        kernels = recorded_kernels(step, num_steps=num_steps)
    results = {"device": device_name(), "batch_size": batch_size, "precision": "bf16", "mode": mode}
    if not kernels:
        raise StageError("the profiler saw no kernel", results)
    return results | summary(kernels, num_steps=num_steps)
