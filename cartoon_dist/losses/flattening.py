"""A photo made flat and outlined by fixed filters: what a drawing can be compared with instead of the photo itself.

Nothing here is trained. Flat patches come from the Kuwahara filter in its smooth form (Papari, Petkov, Campisi, IEEE
TIP 2007), outlines from a difference of Gaussians (Winnemoeller, Kyprianidis, Olsen, Computers and Graphics 2012).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.gpu import layout
from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.losses.precision import at_least_float32, without_autocast
from cartoon_dist.tensors import Images

NUM_SECTORS = 8
SHARPNESS = 8
"""How strongly the calmest sector is preferred: a sector counts by its deviation to the power of minus this."""
SMALLEST_VARIANCE = 1e-4
"""Of three channels in [-1, 1]: a deviation of one byte; calmer sectors count alike."""
GREY = (0.299, 0.587, 0.114)
LINE_SIGMAS = (1.0, 1.6)
LINE_THRESHOLD = 0.01
"""How much darker than its surroundings a pixel is at least, where an outline is drawn; in [-1, 1]."""


class Flattening(nn.Module):
    """Photos in [-1, 1] -> the same, flat and outlined, in [-1, 1]; at least float32, without gradients.

    radius: of the Kuwahara filter, in pixels: the larger, the larger the flat patches. passes: how often it is applied.
    ink: how strongly a pixel that is darker than its surroundings is darkened; 0 draws no outlines. Both sides of a
    photo must be longer than the radius, and than 5 pixels where outlines are drawn.
    """

    def __init__(self, *, radius: int, passes: int, ink: float) -> None:
        super().__init__()
        self.radius, self.passes, self.ink = radius, passes, ink
        self.sectors = nn.Buffer(sector_weights(radius), persistent=False)
        narrow, wide = (_gaussian(sigma, reach=_line_reach()) for sigma in LINE_SIGMAS)
        self.surroundings = nn.Buffer((wide - narrow)[None, None], persistent=False)
        self.grey = nn.Buffer(torch.tensor(GREY).view(1, 3, 1, 1), persistent=False)

    def forward(self, photos: Images) -> Images:
        """Pictures n 3 y x of the same size."""
        # A variance is the difference of two means: with the 10 bits of TF32 a calm sector would be noise.
        with torch.no_grad(), without_autocast(photos.device), without_tf32():
            flat = at_least_float32(photos)
            for _ in range(self.passes):
                flat = kuwahara(flat, self.sectors.to(flat.dtype))
            drawn = self._outlined(flat) if self.ink else flat
            return drawn.contiguous(memory_format=layout.memory_format(drawn.device))

    def _outlined(self, pictures: Images) -> Images:
        grey = functional.conv2d(pictures, self.grey.to(pictures.dtype))  # n 1 y x
        darker = functional.conv2d(_padded(grey, _line_reach()), self.surroundings.to(pictures.dtype))
        return (pictures - self.ink * functional.relu(darker - LINE_THRESHOLD)).clamp(-1, 1)


def kuwahara(pictures: Images, sectors: Tensor) -> Images:
    """Each pixel: the mean of the sectors around it, weighted by how calm each of them is (`sector_weights`)."""
    num, channels, height, width = pictures.shape
    planes = _padded(pictures.reshape(num * channels, 1, height, width), sectors.shape[-1] // 2)
    means, squares = (
        functional.conv2d(each, sectors).view(num, channels, len(sectors), height, width)
        for each in (planes, planes**2)
    )
    variance = (squares - means**2).sum(1, keepdim=True).clamp(min=0)  # n 1 sectors y x: of all channels
    calmness = (variance + SMALLEST_VARIANCE) ** (-SHARPNESS / 2)
    return (means * calmness).sum(2) / calmness.sum(2)


def sector_weights(radius: int) -> Tensor:
    """The weights of a disc's sectors, each with sum 1 and all with the centre, sectors 1 y x of side 2 r + 1.

    A sector's weight falls off to its neighbours' middles, and from the centre as a Gaussian of half the radius.
    """
    along = torch.arange(-radius, radius + 1, dtype=torch.float64)
    y, x = torch.meshgrid(along, along, indexing="ij")
    squared = x**2 + y**2
    angle, width = torch.atan2(y, x), 2 * math.pi / NUM_SECTORS
    weights = []
    for sector in range(NUM_SECTORS):
        apart = (angle - sector * width + math.pi) % (2 * math.pi) - math.pi
        weight = (1 - apart.abs() / width).clamp(min=0)
        weight[radius, radius] = 0.5
        weight = weight * torch.exp(-2 * squared / radius**2) * (squared <= radius**2 + 0.5)
        weights.append(weight / weight.sum())
    return torch.stack(weights)[:, None].float()


def _gaussian(sigma: float, *, reach: int) -> Tensor:
    along = torch.arange(-reach, reach + 1, dtype=torch.float64)
    line = torch.exp(-(along**2) / (2 * sigma**2))
    line = line / line.sum()
    return torch.outer(line, line).float()


def _line_reach() -> int:
    return round(3 * max(LINE_SIGMAS))


def _padded(planes: Tensor, by: int) -> Tensor:
    return functional.pad(planes, (by,) * 4, mode="reflect")
