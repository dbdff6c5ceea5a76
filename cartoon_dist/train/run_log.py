"""What a run writes down as it goes: metrics.jsonl, TensorBoard, and warnings on the terminal. Rank 0 alone writes.

Trackers are told that there is something new, and read it from the run folder.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from cartoon_dist.console.messages import print_message
from cartoon_dist.distributed import collectives
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, open_to_append, read_regular
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.metrics_file import records_up_to
from cartoon_dist.train.trackers.follow import Followers


class RunLog:
    """The run's records from `step` on; what a killed process wrote beyond that step is taken back first.

    None of these files is needed to go on: one that cannot be read or written is named once, and training goes on.
    """

    def __init__(self, run: RunFolder, *, step: int) -> None:
        self.run = run
        self.writer: SummaryWriter | None = None
        self.followers: Followers | None = None
        self._named: set[Path] = set()
        if collectives.is_main_process():
            with self.without(run.metrics):
                _cut(run, step)
            with self.without(run.tensorboard):
                self.writer = SummaryWriter(str(run.tensorboard), purge_step=step)

    def record(self, values: Mapping[str, Any]) -> None:
        """Append one object to metrics.jsonl and its numbers to TensorBoard."""
        if not collectives.is_main_process():
            return
        line = json.dumps(values, allow_nan=False) + "\n"
        with self.without(self.run.metrics), open_to_append(self.run.metrics) as file:
            file.write(line)
        with self.without(self.run.tensorboard):
            for name, value in values.items():
                if self.writer is not None and isinstance(value, (int, float)) and name != "step":
                    self.writer.add_scalar(name, value, values["step"])
        self._notify()

    def picture(self, step: int, pixels: NDArray[np.uint8]) -> None:
        """Show an RGB picture (h, w, 3), which lies in the run folder already."""
        with self.without(self.run.tensorboard):
            if self.writer is not None:
                self.writer.add_image("samples", pixels, step, dataformats="HWC")
        self._notify()

    def close(self) -> None:
        """Push everything to the disk."""
        with self.without(self.run.tensorboard):
            if self.writer is not None:
                self.writer.close()

    def _notify(self) -> None:
        if self.followers is not None:
            self.followers.notify()

    @contextmanager
    def without(self, path: Path) -> Iterator[None]:
        """For work on a file or folder that only tells of the run: where the system refuses, it is named once."""
        try:
            yield
        except OSError as error:
            if path not in self._named:
                print_message(
                    f"warning: {path}: cannot be used ({error.strerror or error}); training goes on without it"
                )
            self._named.add(path)


def _cut(run: RunFolder, step: int) -> None:
    """Take back the records of steps after `step`: the run does them again."""
    try:
        content = read_regular(run.metrics, max_bytes=MAX_RECORD_BYTES)
    except FileNotFoundError:
        return
    kept, num_damaged = records_up_to(content, step)
    if num_damaged:
        lines = "1 line is" if num_damaged == 1 else f"{num_damaged} lines are"
        print_message(f"warning: {run.metrics}: {lines} damaged and left out (a killed process leaves its last one so)")
    write_atomically(run.metrics, kept)
