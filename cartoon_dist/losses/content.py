"""The content loss, which keeps the photo recognisable, and the decay of its weight."""

from cartoon_dist.losses.distance import mean_distance
from cartoon_dist.tensors import Features, Scalar


def content_loss(generated_features: Features, photo_features: Features) -> Scalar:
    """Eq 9: E_p[mean |VGG(G(p)) - VGG(p)|]."""
    return mean_distance(generated_features, photo_features)


def content_weight(*, epoch: int, initial: float, decay: float, every: int) -> float:
    """Eq 12: w_ini * w_decay^floor(epoch / every), derived from the epoch alone, so a resumed run has the same weight.

    The paper's exponent is illegible: every = 10 is SDP-GAN's; every = 1 is the literal reading, by which the content
    loss vanishes.
    """
    return initial * decay ** (epoch // every)
