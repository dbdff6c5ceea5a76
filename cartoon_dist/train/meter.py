"""Figures of the steps since the last report, kept on the device so that no step waits for it."""

import math
from collections import Counter

import torch
from torch import Tensor

from cartoon_dist.distributed import collectives
from cartoon_dist.errors import TrainingError

SKIPPED = "skipped/"
"""Begins the name of a figure that is 1 in a step whose update was left out (train/engine.py)."""
MAX_SKIPPED = 50
"""So many steps in a row that fp16's scaler leaves out are a run that stands still: it needs 16 to come from its first
scale down to 1."""


class Meter:
    """Collects each step's figures; all steps between two reports have the same names.

    Figures may be other than finite in a step that a scaler left out: they are no part of the means.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.steps: list[int] = []
        self.rows: list[Tensor] = []
        self.num_skipped: Counter[str] = Counter()  # in a row, by network

    def add(self, step: int, figures: dict[str, Tensor]) -> None:
        """Note a step's figures, 0-d tensors each."""
        # A recorded step may tell them in another order than a plain one; losses first, as what goes wrong shows there.
        self.names = sorted(figures, key=lambda name: (not name.startswith("loss/"), name))
        self.steps.append(step)
        self.rows.append(torch.stack([figures[name].detach().double() for name in self.names]))

    def pending(self) -> dict[str, list[object]]:
        """What a checkpoint holds of an unfinished interval: the figures of its steps, averaged over the processes.

        Waits for the device and the other processes. TrainingError when a figure is not finite, on all of them. In a
        step that was left out such a figure is None: JSON knows finite numbers alone.
        """
        rows = [[value if math.isfinite(value) else None for value in row] for row in self._rows().tolist()]
        return {"names": [*self.names], "steps": [*self.steps], "rows": [*rows]}

    def resume(self, pending: dict[str, list[object]]) -> None:
        """Continue an unfinished interval, as `pending` gave it."""
        self.names = [str(name) for name in pending["names"]]
        self.steps = [int(str(step)) for step in pending["steps"]]
        self.rows = [torch.tensor(_with_nan(row), dtype=torch.float64) for row in pending["rows"]]

    def report(self) -> dict[str, float]:
        """The mean of each figure over the interval's steps and the processes, and begin the next interval; a figure
        that no step has a finite value of is left out.

        Waits and raises as `pending` does; TrainingError as well when a scaler has left out MAX_SKIPPED steps in a row.
        """
        if not self.rows:
            return {}
        rows = self._rows()
        self._count_skipped(rows)
        figures = dict(zip(self.names, rows.mean(dim=0).tolist(), strict=True))
        for name, column in zip(self.names, rows.unbind(dim=1), strict=True):
            if not math.isfinite(figures[name]):
                figures[name] = column[column.isfinite()].mean().item()
        figures = {name: mean for name, mean in figures.items() if math.isfinite(mean)}  # the mean of none is NaN
        self.steps, self.rows = [], []
        return figures

    def _rows(self) -> Tensor:
        """(steps, names), averaged over the processes."""
        if not self.rows:
            return torch.empty(0, 0, dtype=torch.float64)
        rows = collectives.all_reduce_mean(torch.stack([row.to("cpu") for row in self.rows]))
        for step, row in zip(self.steps, rows.tolist(), strict=True):
            figures = dict(zip(self.names, row, strict=True))
            if any(figures[name] for name in self._skipped()):
                continue
            for name, value in figures.items():
                if not math.isfinite(value):
                    raise TrainingError(
                        f"{name} is {value} at step {step}; the last checkpoint is kept and was written before it: "
                        "lower the learning rate (optimizer.generator, optimizer.discriminator) or use precision=fp32, "
                        "then go on in another run_dir"
                    )
        return rows

    def _skipped(self) -> list[str]:
        return [name for name in self.names if name.startswith(SKIPPED)]

    def _count_skipped(self, rows: Tensor) -> None:
        for name in self._skipped():
            for step, skipped in zip(self.steps, rows[:, self.names.index(name)].tolist(), strict=True):
                self.num_skipped[name] = self.num_skipped[name] + 1 if skipped else 0
                if self.num_skipped[name] >= MAX_SKIPPED:
                    raise TrainingError(
                        f"the {name.removeprefix(SKIPPED)}'s gradients overflowed in fp16 in each of the {MAX_SKIPPED} "
                        f"steps up to {step}, so it has not moved: use precision=bf16 or fp32, then go on in another "
                        "run_dir"
                    )


def _with_nan(row: object) -> list[float]:
    assert isinstance(row, list)
    return [math.nan if value is None else float(value) for value in row]
