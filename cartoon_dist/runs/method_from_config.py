"""Builds a method from its config: the only place where losses are made from settings."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import ConfigError
from cartoon_dist.losses.flattening import Flattening
from cartoon_dist.losses.pixel import pixel_loss
from cartoon_dist.methods import whitebox
from cartoon_dist.methods.animegan import AnimeGANLossWeights, animegan, scaled_features
from cartoon_dist.methods.cartoongan import (
    LOG,
    LSGAN,
    ContentTarget,
    ReconstructionLoss,
    cartoongan,
    compared_with_target,
    itself,
    perceptual_loss,
)
from cartoon_dist.methods.method import Method
from cartoon_dist.models.vgg import VGG
from cartoon_dist.pretrained import load_vgg
from cartoon_dist.runs.networks_from_config import initial_networks

PlaceNetwork = Callable[[nn.Module], nn.Module]
"""Moves a network to its device and precision."""


def build_method(settings: TrainSettings, place: PlaceNetwork) -> Method:
    """Networks from the seed, losses from the config, pretrained features from the weights folder (WeightsError
    without them)."""
    features = None
    if needs_features(settings):
        content = settings.loss.content
        features = empty_features(settings)
        features.load(load_vgg(content.network, Path(settings.weights_folder)))
        place(features)
    networks = {name: place(network) for name, network in initial_networks(settings).items()}
    return bind_method(settings, networks, features)


def needs_features(settings: TrainSettings) -> bool:
    """Whether any loss uses VGG's features: without a content (or style) loss a run needs no pretrained weights."""
    if settings.method == "whitebox" or (settings.method == "animegan" and settings.loss.animegan.style > 0):
        return True
    return settings.loss.content.weight > 0 or (settings.warmup.loss == "content" and settings.warmup.steps != 0)


def empty_features(settings: TrainSettings) -> VGG:
    """The config's VGG without pretrained weights; ConfigError when it has no such layer."""
    content = settings.loss.content
    try:
        return VGG(network=content.network, layer=content.layer, vgg_input=content.vgg_input)
    except ValueError as error:
        raise ConfigError(f"loss.content.layer: {error}") from None


def bind_method(settings: TrainSettings, networks: dict[str, nn.Module], features: nn.Module | None) -> Method:
    """The config's method with these networks and features."""
    if settings.method == "animegan":
        return _animegan(settings, networks, features)
    if settings.method == "whitebox":
        return _whitebox(settings, networks, features)
    target = _content_target(settings, networks)
    content = _compared(partial(perceptual_loss, features=features), target) if features is not None else None
    by_pixels = _compared(pixel_loss, target)
    return cartoongan(
        networks=networks,
        adversarial={"lsgan": LSGAN, "log": LOG}[settings.loss.adversarial],
        content=content if settings.loss.content.weight > 0 else None,
        warmup_name=settings.warmup.loss,
        warmup_loss=content if content is not None and settings.warmup.loss == "content" else by_pixels,
        saliency_weight=settings.loss.saliency.weight,
        variation_weight=settings.loss.variation.weight,
        joints_detached=settings.model.joints == "detached",
    )


def _content_target(settings: TrainSettings, networks: dict[str, nn.Module]) -> ContentTarget:
    """What the content loss and the warm-up compare a drawing with, on the networks' device."""
    if settings.loss.content.target == "photo":
        return itself
    of = settings.loss.flattening
    device = next(networks["generator"].parameters()).device
    return Flattening(radius=of.radius, passes=of.passes, ink=of.ink).to(device)


def _compared(loss: ReconstructionLoss, target: ContentTarget) -> ReconstructionLoss:
    return loss if target is itself else partial(compared_with_target, loss=loss, content_target=target)


def _animegan(settings: TrainSettings, networks: dict[str, nn.Module], features: nn.Module | None) -> Method:
    loss = settings.loss.animegan
    seen = partial(scaled_features, features=features, scale=loss.feature_scale) if features is not None else None
    content = partial(perceptual_loss, features=seen) if seen is not None else pixel_loss
    compares = settings.loss.content.weight > 0 or loss.style > 0
    target = _content_target(settings, networks)
    return animegan(
        networks=networks,
        extract_features=seen if compares else None,
        weights=AnimeGANLossWeights(
            adversarial=loss.adversarial, style=loss.style, colour=loss.colour, smoothed=loss.smoothed
        ),
        warmup_name=settings.warmup.loss,
        warmup_loss=_compared(content if settings.warmup.loss == "content" else pixel_loss, target),
        content_target=target,
    )


def _whitebox(settings: TrainSettings, networks: dict[str, nn.Module], features: nn.Module | None) -> Method:
    # Here: it imports numba, which an export, a drawing or another method does without.
    from cartoon_dist.runs.superpixel_pool import SuperpixelPool

    loss = settings.loss.whitebox
    assert features is not None
    seen = partial(scaled_features, features=features, scale=loss.feature_scale)
    weight = next(networks["generator"].parameters())
    target = _content_target(settings, networks)
    by_content = partial(perceptual_loss, features=seen)
    return whitebox.whitebox(
        networks=networks,
        extract_features=seen,
        average_superpixels=SuperpixelPool(num_workers=settings.data.num_workers, num_segments=loss.segments),
        shift=whitebox.ColourShift(seed=settings.seed, device=weight.device, dtype=weight.dtype),
        weights=whitebox.WhiteboxLossWeights(
            surface=loss.surface,
            texture=loss.texture,
            structure=loss.structure,
            variation=loss.variation,
            area=loss.area,
        ),
        warmup_name=settings.warmup.loss,
        warmup_loss=_compared(by_content if settings.warmup.loss == "content" else pixel_loss, target),
        content_target=target,
    )
