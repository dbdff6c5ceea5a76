"""The adversarial losses of generator and discriminator, as functions of D's logits.

D must tell cartoons from generated pictures, and from cartoons without clear edges: three terms, each of weight 1.
"""

from torch.nn.functional import softplus

from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.tensors import Logits, Scalar


def lsgan_generator(generated: Logits) -> Scalar:
    """Eq 7: E_p[(D(G(p)) - 1)^2]."""
    return (at_least_float32(generated) - 1).square().mean()


def lsgan_discriminator(cartoon: Logits, generated: Logits, smoothed: Logits) -> Scalar:
    """Eq 8: E_a[(D(a) - 1)^2] + E_p[D(G(p))^2] + E_e[D(e)^2], without halves or thirds."""
    real = (at_least_float32(cartoon) - 1).square().mean()
    return real + at_least_float32(generated).square().mean() + at_least_float32(smoothed).square().mean()


def anime_discriminator(
    cartoon: Logits, generated: Logits, grey: Logits, smoothed: Logits, *, smoothed_weight: float
) -> Scalar:
    """AnimeGAN's: E_a[(D(a) - 1)^2] + E_p[D(G(p))^2] + E_a[D(grey a)^2] + w E_e[D(grey e)^2].

    Grey cartoons count as not real, so G learns to colour; smoothed cartoons are given to D as grey copies.
    """
    real = (at_least_float32(cartoon) - 1).square().mean()
    fake = at_least_float32(generated).square().mean() + at_least_float32(grey).square().mean()
    return real + fake + smoothed_weight * at_least_float32(smoothed).square().mean()


def log_generator(generated: Logits) -> Scalar:
    """G's side of Eq 6 in its non-saturating form: -E_p[log D(G(p))], with D = sigmoid(logits)."""
    return softplus(-at_least_float32(generated)).mean()


def log_discriminator(cartoon: Logits, generated: Logits, smoothed: Logits) -> Scalar:
    """Minus Eq 6: -E_a[log D(a)] - E_e[log(1 - D(e))] - E_p[log(1 - D(G(p)))], with D = sigmoid(logits)."""
    real = softplus(
        -at_least_float32(cartoon)
    ).mean()  # -log sigmoid(x) = softplus(-x), and -log(1 - sigmoid(x)) = softplus(x)
    return real + softplus(at_least_float32(generated)).mean() + softplus(at_least_float32(smoothed)).mean()
