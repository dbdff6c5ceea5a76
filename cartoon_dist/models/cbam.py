"""CBAM: attention over channels, then over positions (Woo et al., ECCV 2018)."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from cartoon_dist.gpu import fused_cbam, layout
from cartoon_dist.models.blocks import convolution
from cartoon_dist.tensors import Features


class CBAM(nn.Module):
    """F' = Mc(F) * F (Eq 2), F'' = Ms(F') * F' (Eq 3).

    channels: width of F. reduction: how much narrower the hidden layer of the shared MLP is; at least one unit is left.
    """

    def __init__(self, *, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        # On maps of one pixel a 1x1 convolution is a linear layer.
        self.mlp = nn.Sequential(
            OrderedDict(
                squeeze=convolution(channels, hidden, kernel=1),
                relu=nn.ReLU(),
                expand=convolution(hidden, channels, kernel=1),
            )
        )
        self.place = convolution(2, 1, kernel=7, bias=False)

    def forward(self, features: Features) -> Features:
        """F'' of Eq 3, in the shape of F."""
        if fused_cbam.is_taken(features):
            attention = fused_cbam.Attention(features)
            of_channels = self._channel_attention(*attention.over_places())
            of_places = torch.sigmoid(self.place(attention.over_channels(of_channels)))
            return attention.product(of_channels, of_places)
        average, peak = _mean(features, (2, 3)), features.amax((2, 3), keepdim=True)
        features = self._channel_attention(average, peak) * features
        return self._place_attention(features) * features

    def _channel_attention(self, average: Tensor, peak: Tensor) -> Tensor:
        """Eq 4: Mc(F) = sigmoid(MLP(avgpool F) + MLP(maxpool F)), n c 1 1."""
        average, peak = self.eased(average, peak)
        return torch.sigmoid(self.mlp(average) + self.mlp(peak))

    @staticmethod
    def eased(average: Tensor, peak: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the maximum of each map, n c 1 1 each, as they are; a film eases them from frame to frame."""
        return average, peak

    def _place_attention(self, features: Features) -> Tensor:
        """Eq 5: Ms(F) = sigmoid(conv7x7([mean over channels; max over channels])), n 1 y x."""
        average = _mean(features, 1)
        peak = features.amax(1, keepdim=True)
        if layout.is_channels_last(features.device):  # a concatenation would lie in NCHW
            both = torch.stack([average, peak], -1).squeeze(1).permute(0, 3, 1, 2)
        else:
            both = torch.cat([average, peak], 1)
        return torch.sigmoid(self.place(both))


def _mean(features: Features, dimensions: int | tuple[int, int]) -> Tensor:
    """The mean over channels, or over places; its gradient is one number a mean, where torch's own is a full tensor in
    NCHW."""
    if torch.is_grad_enabled() and features.requires_grad:
        mean: Tensor = _Mean.apply(features, dimensions)
        return mean
    return features.mean(dimensions, keepdim=True)


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, dimensions: int | tuple[int, int]) -> Tensor:
        means = features.mean(dimensions, keepdim=True)
        ctx.shape, ctx.count = features.shape, features.numel() // means.numel()
        return means

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return (gradient / ctx.count).expand(ctx.shape), None
