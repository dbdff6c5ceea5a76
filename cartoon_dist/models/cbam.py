"""CBAM: attention over channels, then over positions (Woo et al., ECCV 2018)."""

from collections import OrderedDict

import torch
from torch import nn

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
        features = self._channel_attention(features) * features
        return self._place_attention(features) * features

    def _channel_attention(self, features: Features) -> torch.Tensor:
        """Eq 4: Mc(F) = sigmoid(MLP(avgpool F) + MLP(maxpool F)), n c 1 1."""
        average, peak = self.pool(features)
        return torch.sigmoid(self.mlp(average) + self.mlp(peak))

    @staticmethod
    def pool(features: Features) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean and the maximum of each map, n c 1 1 each; a film eases them from frame to frame."""
        return features.mean((2, 3), keepdim=True), features.amax((2, 3), keepdim=True)

    def _place_attention(self, features: Features) -> torch.Tensor:
        """Eq 5: Ms(F) = sigmoid(conv7x7([mean over channels; max over channels])), n 1 y x."""
        average = features.mean(1, keepdim=True)
        peak = features.amax(1, keepdim=True)
        return torch.sigmoid(self.place(torch.cat([average, peak], 1)))
