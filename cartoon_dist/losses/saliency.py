"""What the saliency network learns from."""

from cartoon_dist.losses.precision import widened
from cartoon_dist.tensors import Maps, Scalar


def saliency_loss(predicted: Maps, label: Maps) -> Scalar:
    """Eq 10: E_p[mean |S(p) - z|], both in [-1, 1]; over [0, 1] the weight would mean half as much."""
    return (widened(predicted) - widened(label)).abs().mean()
