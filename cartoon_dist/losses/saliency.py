"""The loss of the saliency network."""

from cartoon_dist.losses.distance import mean_distance
from cartoon_dist.tensors import Maps, Scalar


def saliency_loss(predicted: Maps, label: Maps) -> Scalar:
    """Eq 10: E_p[mean |S(p) - z|], both in [-1, 1]; over [0, 1] the weight would mean half as much."""
    return mean_distance(predicted, label)
