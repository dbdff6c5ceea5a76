"""The numbers that change from step to step beside the batch, kept on the device."""

import torch

from cartoon_dist.tensors import Scalar


class StepScalars:
    """0-d tensors that are filled before each step: a Python number would be frozen into a recorded step.

    content_weight: Eq 12. ema_share: how much of the new weights goes into the running average. (Learning rates are
    such tensors too, kept by the optimizers.) Setting them does not wait for the device.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.content_weight: Scalar = torch.zeros((), device=device, dtype=dtype)
        self.ema_share: Scalar = torch.zeros((), device=device, dtype=dtype)
        self._values = {"content_weight": 0.0, "ema_share": 0.0}

    def set(self, *, content_weight: float, ema_share: float) -> None:
        """Set both for the next step."""
        self._values = {"content_weight": content_weight, "ema_share": ema_share}
        for name, value in self._values.items():
            getattr(self, name).fill_(value)

    def as_float(self, weight: float | Scalar) -> float:
        """A loss term's weight as a number: the content weight without asking the device, a constant as it is."""
        if weight is self.content_weight:
            return self._values["content_weight"]
        return float(weight)
