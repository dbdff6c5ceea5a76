"""AnimeGAN's style loss: compares the texture of generated pictures with that of cartoons."""

from jaxtyping import Float
from torch import Tensor

from cartoon_dist.losses.precision import at_least_float32, without_autocast
from cartoon_dist.tensors import Features, Scalar


def gram_matrix(features: Features) -> Float[Tensor, "n c c"]:
    """F F^T / (c y x) of each picture, F its maps as c x (y x); at least in float32: in float16 its sums overflow."""
    flat = at_least_float32(features).flatten(2)  # n c (y x)
    with without_autocast(features.device):
        return flat @ flat.transpose(1, 2) / flat[0].numel()


def style_loss(generated_features: Features, grey_features: Features) -> Scalar:
    """mean |Gram(VGG(G(p))) - Gram(VGG(grey a))|, picture by picture, though p and a are not paired.

    Cartoons without their colours give texture alone.
    """
    return (gram_matrix(generated_features) - gram_matrix(grey_features)).abs().mean()
