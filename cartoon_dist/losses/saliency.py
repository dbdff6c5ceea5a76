"""The loss of the saliency network."""

from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.tensors import Maps, Scalar


def saliency_loss(predicted: Maps, label: Maps) -> Scalar:
    """Eq 10: E_p[mean |S(p) - z|], both in [-1, 1]; over [0, 1] the weight would mean half as much."""
    return (at_least_float32(predicted) - at_least_float32(label)).abs().mean()
