"""Convolutions whose weight is divided by its largest singular value (Miyato et al., ICLR 2018)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from cartoon_dist.gpu.layout import lies_channels_last
from cartoon_dist.models.convolution import Convolution

_FIRST_ITERATIONS = 15
"""Of the power method on fresh weights, as in torch's own: with one a step, the first steps' norms would be far off."""


class SpectralConvolution(Convolution):
    """Convolves with W / sigma(W), where W is the weight as a matrix c' x (c k k) and sigma = u^T W v.

    u and v follow W's first singular vectors by the power method, one step for each `power_iteration`; a forward
    only reads them, so using this network (in G's step, for the parts of a batch) does not change it. They are buffers
    that keep their place in memory: checkpoints hold them and a recorded step finds them. They depend on the seed and
    the weights alone, so they are the same on all processes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        matrix = self.weight.detach().flatten(1)
        self.u = nn.Buffer(normalize(torch.randn_like(matrix[:, 0]), dim=0))
        self.v = nn.Buffer(normalize(torch.randn_like(matrix[0]), dim=0))
        self.initialise_norm()

    def initialise_norm(self) -> None:
        """Iterate until u and v fit a weight that was just set."""
        for _ in range(_FIRST_ITERATIONS):
            self.power_iteration()

    @torch.no_grad()
    def power_iteration(self) -> None:
        """One step of the power method: u = W v / |W v|, v = W^T u / |W^T u|."""
        matrix, right = self._as_it_lies()
        self.u.copy_(normalize(torch.mv(matrix, right), dim=0))
        new = normalize(torch.mv(matrix.T, self.u), dim=0)
        side = self.weight.shape[2:]
        in_order = new.view(*side, -1).permute(2, 0, 1) if lies_channels_last(self.weight) else new.view(-1, *side)
        self.v.view(-1, *side).copy_(in_order)

    def forward(self, input: Tensor, *, padded: bool = False) -> Tensor:
        """Maps n c y x -> n c' y/s x/s. padded: the maps come with the reflected border already around them."""
        # As a sum: autocast would compute a matrix product in half precision.
        matrix, right = self._as_it_lies()
        sigma = (self.u[:, None] * matrix * right).sum()
        return self.convolve_with(input, self.weight / sigma, padded=padded)

    def _as_it_lies(self) -> tuple[Tensor, Tensor]:
        """W and v, with W's columns in the order in which the weight lies in memory: (c k k) or (k k c)."""
        if not lies_channels_last(self.weight):
            return self.weight.flatten(1), self.v
        right = self.v.view(self.weight.shape[1:]).permute(1, 2, 0).flatten()
        return self.weight.permute(0, 2, 3, 1).flatten(1), right


def update_spectral_norms(network: nn.Module) -> None:
    """`power_iteration` each spectral convolution of the network: once before each update of its weights."""
    for module in network.modules():
        if isinstance(module, SpectralConvolution):
            module.power_iteration()
