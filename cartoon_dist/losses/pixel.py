"""The warm-up's cheap reconstruction loss, for runs too small for VGG."""

from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.tensors import Images, Scalar


def pixel_loss(generated: Images, photo: Images) -> Scalar:
    """E_p[mean |G(p) - p|], both in [-1, 1]. Not in the paper: Eq 9 without its network."""
    return (at_least_float32(generated) - at_least_float32(photo)).abs().mean()
