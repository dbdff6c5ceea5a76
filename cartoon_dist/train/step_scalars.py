"""What changes from step to step beside the batch, as numbers that lie on the device."""

import torch

from cartoon_dist.tensors import Scalar


class Knobs:
    """0-d tensors that are filled before each step: a number of Python's would be frozen into a recorded one.

    content_weight: Eq 12. ema_share: how much of the new weights goes into the running average. (Learning rates are
    such tensors too, and lie with the optimizers.) Filling does not wait for the device.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.content_weight: Scalar = torch.zeros((), device=device, dtype=dtype)
        self.ema_share: Scalar = torch.zeros((), device=device, dtype=dtype)
        self._turned_to = {"content_weight": 0.0, "ema_share": 0.0}

    def turn(self, *, content_weight: float, ema_share: float) -> None:
        """Set all for the next step."""
        self._turned_to = {"content_weight": content_weight, "ema_share": ema_share}
        for name, value in self._turned_to.items():
            getattr(self, name).fill_(value)

    def on_host(self, weight: float | Scalar) -> float:
        """A loss term's weight as a number: the content weight's without asking the device, a constant as it is."""
        if weight is self.content_weight:
            return self._turned_to["content_weight"]
        return float(weight)
