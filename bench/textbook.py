"""The paper's iteration as it is usually written: the baseline for the step's speed.

The generator runs twice, each network has torch's own modules, the generator's backward leaves gradients in the
discriminator that the next step throws away, Adam is torch's default, and every loss is read with `.item()`.
"""

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.models.blocks import InstanceNorm
from cartoon_dist.models.convolution import Convolution
from cartoon_dist.models.vgg import FrozenConvolution
from cartoon_dist.tensors import Batch

Drawn = Literal["detached", "undetached"]
"""Whether the discriminator's step goes back into the generator, where its gradients are thrown away."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Of the generator's loss terms (Eq 11)."""

    content: float
    saliency: float


def stock(network: nn.Module) -> nn.Module:
    """A copy that uses torch's own modules, with the same weights, in NCHW as torch makes them."""
    copied = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    for module in copied.modules():
        if isinstance(module, nn.ReLU | nn.LeakyReLU):
            module.inplace = False
        elif type(module) in (Convolution, FrozenConvolution):
            module.__class__ = nn.Conv2d
        elif type(module) is InstanceNorm:
            module.__class__ = StockNorm
    return copied


class StockNorm(InstanceNorm):
    """Instance norm, sum and activation one after the other, by torch's own operations on every device."""

    def forward(self, input: Tensor, *, residual: Tensor | None = None, reflect: int = 0) -> Tensor:
        """As the norm that it takes the place of; the convolution that follows is torch's and reflects itself."""
        maps = functional.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)
        return self.after(maps, residual=residual, reflect=reflect)


class Textbook:
    """A generator with its saliency network, a discriminator and frozen features, trained in the usual way."""

    def __init__(
        self, networks: dict[str, nn.Module], features: nn.Module, *, rate: float, weights: Weights, drawn: Drawn
    ) -> None:
        self.networks = {name: stock(network) for name, network in networks.items()}
        self.generator, self.discriminator = (self.networks[name] for name in ("generator", "discriminator"))
        self.features = stock(features)
        self.weights, self.drawn = weights, drawn
        self.adams = {
            name: torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999))
            for name, network in self.networks.items()
        }

    def step(self, batch: Batch) -> dict[str, float]:
        """One update of each network: equations 8, then 7, 9 and 10."""
        output = self.generator(batch.photo)
        generated = output.generated.detach() if self.drawn == "detached" else output.generated
        real, fake = self.discriminator(batch.cartoon), self.discriminator(generated)
        smoothed = self.discriminator(batch.smoothed)
        loss = ((real - 1) ** 2).mean() + (fake**2).mean() + (smoothed**2).mean()
        read = {"adversarial_d": loss.item()}
        self._descend("discriminator", loss)

        output = self.generator(batch.photo)
        adversarial = ((self.discriminator(output.generated) - 1) ** 2).mean()
        content = (self.features(output.generated) - self.features(batch.photo)).abs().mean()
        saliency = (output.saliency - batch.saliency).abs().mean()
        read |= {"adversarial_g": adversarial.item(), "content": content.item(), "saliency": saliency.item()}
        self._descend("generator", adversarial + self.weights.content * content + self.weights.saliency * saliency)
        return read

    def _descend(self, name: str, loss: Tensor) -> None:
        for adam in self.adams.values():
            adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adams[name].step()
