"""Figures of the steps since the last report, kept on the device so that no step waits for it."""

import math

import torch
from torch import Tensor

from cartoon_dist import distributed
from cartoon_dist.errors import TrainingError


class Meter:
    """Collects each step's figures; all steps between two reports have the same names."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.steps: list[int] = []
        self.rows: list[Tensor] = []

    def add(self, step: int, figures: dict[str, Tensor]) -> None:
        """Note a step's figures, 0-d tensors each."""
        # A recorded step may tell them in another order than a plain one; losses first, as what goes wrong shows there.
        self.names = sorted(figures, key=lambda name: (not name.startswith("loss/"), name))
        self.steps.append(step)
        self.rows.append(torch.stack([figures[name].detach().double() for name in self.names]))

    def pending(self) -> dict[str, list[object]]:
        """What a checkpoint holds of an unfinished interval: the figures of its steps, averaged over the processes.

        Waits for the device and the other processes. TrainingError when a figure is not finite, on all of them.
        """
        return {"names": [*self.names], "steps": [*self.steps], "rows": [*self._rows().tolist()]}

    def resume(self, held: dict[str, list[object]]) -> None:
        """Take up an unfinished interval."""
        self.names = [str(name) for name in held["names"]]
        self.steps = [int(str(step)) for step in held["steps"]]
        self.rows = [torch.tensor(row, dtype=torch.float64) for row in held["rows"]]

    def report(self) -> dict[str, float]:
        """The mean of each figure over the interval's steps and the processes, and begin the next interval.

        Waits and raises as `pending` does.
        """
        if not self.rows:
            return {}
        means = self._rows().mean(dim=0).tolist()
        figures = dict(zip(self.names, means, strict=True))
        self.steps, self.rows = [], []
        return figures

    def _rows(self) -> Tensor:
        """(steps, names), averaged over the processes."""
        if not self.rows:
            return torch.empty(0, 0, dtype=torch.float64)
        rows = distributed.mean(torch.stack([row.to("cpu") for row in self.rows]))
        for step, row in zip(self.steps, rows.tolist(), strict=True):
            for name, value in zip(self.names, row, strict=True):
                if not math.isfinite(value):
                    raise TrainingError(
                        f"{name} is {value} at step {step}; the last checkpoint is kept and was written before it: "
                        "lower the learning rate (optimizer.generator, optimizer.discriminator) or use precision=fp32, "
                        "then go on in another run_dir"
                    )
        return rows
