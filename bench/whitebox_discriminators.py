"""Why White-box hardly stylises in docs/results.md: `python -m bench.whitebox_discriminators RUN`, a few minutes.

The gradient norm of each weighted loss term at the generated pictures, at the end of the warm-up and of the run; how
far their mean colours are from the photos'; and what the two discriminators learn alone in a thousand steps, with and
without the spectral norm. Not part of `make bench`: it needs a run.
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
from cartoon_dist.cpu.malloc import reuse_freed_memory
from cartoon_dist.data.load.loader import LocalBatches
from cartoon_dist.data.load.loader import batches as load_batches
from cartoon_dist.methods.method import Method
from cartoon_dist.models.convolution import Convolution
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.models.spectral import SpectralConvolution
from cartoon_dist.runs import checkpoint, method_from_config
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import read_run_config
from cartoon_dist.tensors import Batch, from_bytes
from cartoon_dist.train.input import open_streams

NUM_STEPS, NUM_AVERAGED, NUM_BATCHES = 1000, 100, 20
"""Steps of the discriminators alone, the last of them that are averaged, and batches whose gradients are measured."""


def main(run: RunFolder) -> None:
    """Print the measurements of a run."""
    reuse_freed_memory()
    settings = read_run_config(run.config)
    photos, cartoons = open_streams(settings)
    size = settings.batch_size
    steps = LocalBatches(photos=photos, cartoons=cartoons, batch_size=size, warmup_steps=0, rank=0, world_size=1)
    for step in (settings.warmup.steps or 0, checkpoint.steps(run)[-1]):
        print_gradient_norms(settings, run.checkpoint(step), read_batches(steps, NUM_BATCHES))
    for times, spectral in ((1, True), (1, False), (10, False)):
        rate = times * settings.optimizer.discriminator
        train_discriminators_alone(settings, read_batches(steps, NUM_STEPS), rate=rate, spectral=spectral)


def print_gradient_norms(settings: TrainSettings, folder: Path, batches: Iterator[Batch]) -> None:
    """Gradient norms of G's weighted terms at its output, over the content's; how far the mean colours are off."""
    method, tensors = method_from_config.build_method(settings, lambda network: network), checkpoint.load(folder)
    for name, network in method.networks.items():
        network.load_state_dict(tensors[name])
    norms: dict[str, float] = defaultdict(float)
    colours = 0.0
    for step, batch in enumerate(batches):
        method.begin_step(step)
        with torch.no_grad():
            generated = method.generate(method.networks, batch).generated
        colours += float((generated - batch.photo).mean(dim=(2, 3)).abs().mean()) / NUM_BATCHES
        output = GeneratorOutput(generated.requires_grad_(), None)
        losses = method.losses["generator"](method.networks, batch, output, settings.loss.content.weight)
        for name, term in losses.terms.items():
            [gradient] = torch.autograd.grad(term.value * term.weight, output.generated, retain_graph=True)
            norms[name] += float(gradient.norm())
    ratios = ", ".join(f"{name} {norm / norms['content']:.2f}" for name, norm in norms.items())
    show(f"{folder.name}: gradients over the content's: {ratios}; mean colours {colours:.3f} of -1..1 from the photos'")


def train_discriminators_alone(
    settings: TrainSettings, batches: Iterator[Batch], *, rate: float, spectral: bool
) -> None:
    """The discriminators' losses after training to tell cartoons from plain photos; guessing costs 0.25."""
    method = method_from_config.build_method(settings, lambda network: network)
    if not spectral:
        remove_spectral_norms(method.networks["discriminator"])
    optimizer = Adam(method.networks["discriminator"].parameters(), lr=rate, betas=settings.optimizer.betas)
    losses_by_name: dict[str, list[float]] = defaultdict(list)
    for step, batch in enumerate(batches):
        for name, loss in discriminator_step(method, batch, step, optimizer).items():
            losses_by_name[name].append(loss)
    means = ", ".join(
        f"{name} {sum(losses[-NUM_AVERAGED:]) / NUM_AVERAGED:.3f}" for name, losses in losses_by_name.items()
    )
    show(f"alone, rate {rate:g}, {'with' if spectral else 'without'} the spectral norm, {NUM_STEPS} steps: {means}")


def discriminator_step(method: Method, batch: Batch, step: int, optimizer: Adam) -> dict[str, float]:
    """A step of both discriminators, with photos in place of generated pictures."""
    method.begin_step(step)
    method.before_update["discriminator"](method.networks["discriminator"])
    losses = method.losses["discriminator"](method.networks, batch, GeneratorOutput(batch.photo, None), 0.0)
    optimizer.zero_grad()
    torch.autograd.backward(losses.total())
    optimizer.step()
    return {name: float(term.value.detach()) for name, term in losses.terms.items()}


def remove_spectral_norms(network: nn.Module) -> None:
    """Put plain convolutions of the same weights in place of its spectral ones."""
    for name, module in list(network.named_modules()):
        if isinstance(module, SpectralConvolution):
            [kernel, _], [stride, _] = module.kernel_size, module.stride
            padding = kernel // 2 if stride == 1 else 0
            plain = Convolution(module.in_channels, module.out_channels, kernel, stride=stride, padding=padding)
            plain.weight, plain.bias = module.weight, module.bias
            network.set_submodule(name, plain)


def read_batches(steps: LocalBatches, num: int) -> Iterator[Batch]:
    """The first batches, as training reads them."""
    for read in load_batches(steps, first=0, end=num, on_damaged=lambda _: None):
        yield Batch(*map(from_bytes, read))


if __name__ == "__main__":
    main(RunFolder(Path(sys.argv[1])))
