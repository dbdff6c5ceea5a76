"""One network's weight update: scaled backward, the gradient clipped, a step of its optimizer."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer


class Update:
    """A network's optimizer with a gradient scaler of its own (one that is not enabled changes nothing).

    With a scaler shared by all networks an overflow in D's step would shrink G's scale as well. A step whose gradients
    overflowed in fp16 is left out and halves the scale: it is told as `skipped/NAME`, 1 or 0, and train/meter.py lets
    it pass. In other precisions a figure that is not finite ends the run at the next report. Nothing here waits for the
    device.

    average: puts the average over the processes in the place of each gradient; None where a wrapper around the network
    has done so in the backward. clip: the largest norm that the gradient of all the network's weights may have
    together; a longer one is shortened.
    """

    def __init__(
        self,
        name: str,
        optimizer: Optimizer,
        scaler: torch.amp.GradScaler,
        *,
        clip: float | None,
        average: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.optimizer = optimizer
        self.scaler = scaler
        self.clip = clip
        self.average = average

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradients to those of earlier parts of the batch."""
        self.scaler.scale(loss).backward()

    def step(self) -> dict[str, Tensor]:
        """Move the weights, and forget the gradients. Figures: with clipping the norm before it, as `norm/NAME` (not
        finite in a step that is left out); with a scaler whether the step is left out, as `skipped/NAME`."""
        figures = {}
        if self.average is not None:
            self.average()
        if self.clip is not None:
            self.scaler.unscale_(self.optimizer)
            weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
            figures[f"norm/{self.name}"] = torch.nn.utils.clip_grad_norm_(weights, self.clip)
        self.scaler.step(self.optimizer)
        if self.scaler.is_enabled():
            figures[f"skipped/{self.name}"] = self._overflowed()
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return figures

    def _overflowed(self) -> Tensor:
        """1 where a gradient of this step is not finite, else 0; the scaler knows it until its `update`."""
        [found] = self.scaler._found_inf_per_device(self.optimizer).values()  # one device a process
        overflowed: Tensor = found.clone()  # a recorded step must hand out a tensor of its own
        return overflowed

    def abandon(self) -> None:
        """Forget a step that was begun and not finished."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.scaler.is_enabled():
            self.scaler._per_optimizer_states.clear()  # else the next step's gradients count as unscaled already
