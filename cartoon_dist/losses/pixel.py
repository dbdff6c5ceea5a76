"""The warm-up's cheap reconstruction loss, for runs too small for VGG."""

from cartoon_dist.losses.distance import mean_distance
from cartoon_dist.tensors import Images, Scalar


def pixel_loss(generated: Images, photo: Images) -> Scalar:
    """E_p[mean |G(p) - p|], both in [-1, 1]. Not in the paper: Eq 9 without its network."""
    return mean_distance(generated, photo)
