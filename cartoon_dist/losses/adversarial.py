"""What generator and discriminator hold against each other; logits in, one number out.

D is to tell cartoons from generated pictures, and from cartoons without clear edges: three terms, each of weight 1.
"""

from torch.nn.functional import softplus

from cartoon_dist.losses.precision import widened
from cartoon_dist.tensors import Logits, Scalar


def lsgan_generator(generated: Logits) -> Scalar:
    """Eq 7: E_p[(D(G(p)) - 1)^2]."""
    return (widened(generated) - 1).square().mean()


def lsgan_discriminator(cartoon: Logits, generated: Logits, smoothed: Logits) -> Scalar:
    """Eq 8: E_a[(D(a) - 1)^2] + E_p[D(G(p))^2] + E_e[D(e)^2], without halves or thirds."""
    real = (widened(cartoon) - 1).square().mean()
    return real + widened(generated).square().mean() + widened(smoothed).square().mean()


def anime_discriminator(
    cartoon: Logits, generated: Logits, grey: Logits, smoothed: Logits, *, smoothed_weight: float
) -> Scalar:
    """AnimeGAN's: E_a[(D(a) - 1)^2] + E_p[D(G(p))^2] + E_a[D(grey a)^2] + w E_e[D(grey e)^2].

    Grey cartoons are no cartoons, so G learns to colour; of the smoothed ones the grey copy is judged.
    """
    real = (widened(cartoon) - 1).square().mean()
    fake = widened(generated).square().mean() + widened(grey).square().mean()
    return real + fake + smoothed_weight * widened(smoothed).square().mean()


def log_generator(generated: Logits) -> Scalar:
    """G's side of Eq 6 in its non-saturating form: -E_p[log D(G(p))], with D = sigmoid(logits)."""
    return softplus(-widened(generated)).mean()


def log_discriminator(cartoon: Logits, generated: Logits, smoothed: Logits) -> Scalar:
    """Minus Eq 6: -E_a[log D(a)] - E_e[log(1 - D(e))] - E_p[log(1 - D(G(p)))], with D = sigmoid(logits)."""
    real = softplus(-widened(cartoon)).mean()  # -log sigmoid(x) = softplus(-x), and -log(1 - sigmoid(x)) = softplus(x)
    return real + softplus(widened(generated)).mean() + softplus(widened(smoothed)).mean()
