"""The networks of a config, with initial weights: what drawing pictures needs of a method, without its losses."""

import torch
from torch import nn

from cartoon_dist.config.train import ModelSettings, TrainSettings
from cartoon_dist.models.animegan import AnimeDiscriminator, AnimeGenerator
from cartoon_dist.models.blocks import Upsample
from cartoon_dist.models.discriminator import Discriminator
from cartoon_dist.models.generator import Generator
from cartoon_dist.models.saliency_net import SaliencyNetwork, Wiring
from cartoon_dist.models.whitebox import WhiteboxDiscriminators, WhiteboxGenerator


def initial_networks(settings: TrainSettings) -> dict[str, nn.Module]:
    """The networks with their initial weights, which the seed determines."""
    with torch.random.fork_rng(devices=[]):  # leaves the caller's random state as it is
        torch.manual_seed(settings.seed)
        return build_networks(settings)


def build_networks(settings: TrainSettings) -> dict[str, nn.Module]:
    """The trained networks by their plain names; under `torch.device("meta")` they take no memory."""
    model = settings.model
    if settings.method == "animegan":
        return {
            "generator": AnimeGenerator(channels=model.channels, num_blocks=model.num_blocks),
            "discriminator": AnimeDiscriminator(channels=model.channels),
        }
    if settings.method == "whitebox":
        return {
            "generator": WhiteboxGenerator(
                channels=model.channels, num_blocks=model.num_blocks, padding=model.padding, guided=model.guided
            ),
            "discriminator": WhiteboxDiscriminators(channels=model.channels),
        }
    generator = Generator(
        channels=model.channels,
        num_blocks=model.num_blocks,
        upsample=settings.upsample,
        saliency=_saliency_network(model, settings.upsample),
        attention=model.attention == "cbam",
        checkpoint_blocks=model.checkpoint_blocks,
        output=model.output,
        padding=model.padding,
    )
    return {"generator": generator, "discriminator": Discriminator(channels=model.channels)}


def _saliency_network(model: ModelSettings, upsample: Upsample) -> SaliencyNetwork | None:
    if model.saliency == "none":
        return None
    wiring: Wiring = "sal" if model.saliency == "sal" else model.residual
    return SaliencyNetwork(
        channels=model.channels, out_channels=1, wiring=wiring, upsample=upsample, padding=model.padding
    )
