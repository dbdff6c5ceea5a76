"""What a run writes down as it goes: metrics.jsonl, TensorBoard, and warnings on the terminal. Rank 0 alone writes."""

import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from cartoon_dist import distributed
from cartoon_dist.files import write_whole
from cartoon_dist.runs.layout import RunFolder


class Log:
    """The run's records from `step` on; what a killed process wrote beyond that step is taken back first."""

    def __init__(self, run: RunFolder, *, step: int) -> None:
        self.run = run
        self.writer = None
        if distributed.is_main():
            _cut(run, step)
            self.writer = SummaryWriter(str(run.tensorboard), purge_step=step)

    def record(self, values: Mapping[str, Any]) -> None:
        """Append one object to metrics.jsonl and its numbers to TensorBoard."""
        if self.writer is None:
            return
        with self.run.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
        for name, value in values.items():
            if isinstance(value, (int, float)) and name != "step":
                self.writer.add_scalar(name, value, values["step"])

    def picture(self, step: int, pixels: NDArray[np.uint8]) -> None:
        """Show an RGB picture (h, w, 3) in TensorBoard."""
        if self.writer is not None:
            self.writer.add_image("samples", pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Push everything to the disk."""
        if self.writer is not None:
            self.writer.close()


def say(message: str) -> None:
    """A line on standard error, from rank 0 alone."""
    if distributed.is_main():
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()


def _cut(run: RunFolder, step: int) -> None:
    """Take back the records of steps after `step`: the run does them again."""
    if not run.metrics.exists():
        return
    kept = []
    for line in run.metrics.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue  # a line cut short by a kill
    write_whole(run.metrics, "".join(kept))
