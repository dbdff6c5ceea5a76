"""Why White-box hardly stylises in docs/results.md: `python -m bench.whitebox_judges RUN`, a few minutes.

How hard each weighted term pulls at the drawings when the warm-up ends and when the run does, how far their mean
colours are from the photos', and what the two judges learn by themselves in a thousand steps, with and without the
spectral norm. Not part of `make bench`: it needs a run.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.optim import Adam

from bench.ratios import show
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.cpu.malloc import keep_freed_memory
from cartoon_dist.data.load.loader import Steps, batches
from cartoon_dist.methods.method import Method
from cartoon_dist.models.blocks import Convolution
from cartoon_dist.models.generator import Drawing
from cartoon_dist.models.spectral import SpectralConvolution
from cartoon_dist.runs import checkpoint, setup
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import settings_of
from cartoon_dist.tensors import Batch, from_bytes
from cartoon_dist.train.input import streams

ALONE, LAST, LOOKED_AT = 1000, 100, 20
"""Steps of the judges alone, those of them that are averaged, and batches at which the pulls are measured."""


def main(run: RunFolder) -> None:
    """Print what is found."""
    keep_freed_memory()
    settings = settings_of(run.config)
    photos, cartoons = streams(settings)
    size = settings.batch_size
    steps = Steps(photos=photos, cartoons=cartoons, batch_size=size, warmup_steps=0, rank=0, world_size=1)
    for step in (settings.warmup.steps or 0, checkpoint.steps(run)[-1]):
        pulls(settings, run.checkpoint(step), batches_of(steps, LOOKED_AT))
    for times, spectral in ((1, True), (1, False), (10, False)):
        rate = times * settings.optimizer.discriminator
        learn_alone(settings, batches_of(steps, ALONE), rate=rate, spectral=spectral)


def pulls(settings: TrainSettings, folder: Path, shown: Iterator[Batch]) -> None:
    """Gradient norms of G's weighted terms at its drawings, over the content's; how far the mean colours are off."""
    method, held = setup.build(settings, lambda network: network), checkpoint.load(folder)
    for name, network in method.networks.items():
        network.load_state_dict(held[name])
    norms: dict[str, float] = defaultdict(float)
    off = 0.0
    for number, batch in enumerate(shown):
        method.begin(number)
        with torch.no_grad():
            drawn = method.draw(method.networks, batch).generated
        off += float((drawn - batch.photo).mean(dim=(2, 3)).abs().mean()) / LOOKED_AT
        drawing = Drawing(drawn.requires_grad_(), None)
        losses = method.losses["generator"](method.networks, batch, drawing, settings.loss.content.weight)
        for name, term in losses.terms.items():
            [pull] = torch.autograd.grad(term.value * term.weight, drawing.generated, retain_graph=True)
            norms[name] += float(pull.norm())
    said = ", ".join(f"{name} {norm / norms['content']:.2f}" for name, norm in norms.items())
    show(f"{folder.name}: pulls over the content's: {said}; mean colours {off:.3f} of -1..1 from the photos'")


def learn_alone(settings: TrainSettings, shown: Iterator[Batch], *, rate: float, spectral: bool) -> None:
    """The judges' losses once they have told cartoons from plain photos for a while; guessing costs 0.25."""
    method = setup.build(settings, lambda network: network)
    if not spectral:
        without_norms(method.networks["discriminator"])
    optimizer = Adam(method.networks["discriminator"].parameters(), lr=rate, betas=settings.optimizer.betas)
    found: dict[str, list[float]] = defaultdict(list)
    for number, batch in enumerate(shown):
        for name, loss in judged(method, batch, number, optimizer).items():
            found[name].append(loss)
    said = ", ".join(f"{name} {sum(losses[-LAST:]) / LAST:.3f}" for name, losses in found.items())
    show(f"alone, rate {rate:g}, {'with' if spectral else 'without'} the spectral norm, {ALONE} steps: {said}")


def judged(method: Method, batch: Batch, number: int, optimizer: Adam) -> dict[str, float]:
    """A step of both judges, with photos in the drawings' place."""
    method.begin(number)
    method.before["discriminator"](method.networks["discriminator"])
    losses = method.losses["discriminator"](method.networks, batch, Drawing(batch.photo, None), 0.0)
    optimizer.zero_grad()
    torch.autograd.backward(losses.total())
    optimizer.step()
    return {name: float(term.value.detach()) for name, term in losses.terms.items()}


def without_norms(network: nn.Module) -> None:
    """Put plain convolutions of the same weights in place of its spectral ones."""
    for name, module in list(network.named_modules()):
        if isinstance(module, SpectralConvolution):
            [kernel, _], [stride, _] = module.kernel_size, module.stride
            padding = kernel // 2 if stride == 1 else 0
            plain = Convolution(module.in_channels, module.out_channels, kernel, stride=stride, padding=padding)
            plain.weight, plain.bias = module.weight, module.bias
            network.set_submodule(name, plain)


def batches_of(steps: Steps, num: int) -> Iterator[Batch]:
    """The first batches, as training reads them."""
    for read in batches(steps, first=0, end=num, pinned=False, note=lambda _: None):
        yield Batch(*map(from_bytes, read))


if __name__ == "__main__":
    main(RunFolder(Path(sys.argv[1])))
