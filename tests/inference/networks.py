"""Small generators of every kind, whose weights are large enough for every border and every statistic to show."""

from itertools import product

import torch
from torch import Tensor, nn

from cartoon_dist.models.animegan import AnimeGenerator
from cartoon_dist.models.blocks import Padding
from cartoon_dist.models.generator import CartoonGenerator, Generator, Output
from cartoon_dist.models.saliency_net import SaliencyNetwork
from cartoon_dist.models.whitebox import WhiteboxGenerator

KINDS = [
    *(" ".join(words) for words in product(("none",), ("transposed", "resize"))),
    *(" ".join(words) for words in product(("sal", "projection", "identity"), ("transposed", "resize"), ("", "cbam"))),
    "projection resize cbam change",
    "none transposed change",
    "animegan",
    "whitebox zeros",
    "whitebox reflect",
    "whitebox reflect unguided",
]


def small_generator(kind: str, dtype: torch.dtype = torch.float32) -> CartoonGenerator:
    """A generator of four channels with random weights: a method, or how CartoonGAN's is wired.

    change: it draws a change of the photo, and mirrors every border.
    """
    torch.manual_seed(1)
    made: CartoonGenerator
    match kind.split():
        case ["animegan"]:
            made = AnimeGenerator(channels=4, num_blocks=1)
        case ["whitebox", "zeros" | "reflect" as edges, *unguided]:
            made = WhiteboxGenerator(channels=4, num_blocks=1, padding=edges, guided=not unguided)
        case [wiring, "transposed" | "resize" as upsample, *more]:
            saliency = None
            padding: Padding = "reflect" if "change" in more else "zeros"
            output: Output = "change" if "change" in more else "picture"
            if wiring != "none":
                saliency = SaliencyNetwork(
                    channels=4,
                    out_channels=1,
                    wiring=wiring,  # type: ignore[arg-type]
                    upsample=upsample,
                    padding=padding,
                )
            made = Generator(
                channels=4,
                num_blocks=1,
                upsample=upsample,
                saliency=saliency,
                attention="cbam" in more,
                output=output,
                padding=padding,
            )
        case _:
            raise ValueError(kind)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)
    return made.to(dtype).eval().requires_grad_(requires_grad=False)


def noise_photo(height: int, width: int, *, num: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """Noise that grows from top to bottom, so that no strip has the statistics of the whole."""
    noise = torch.randn(num, 3, height, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return (noise * torch.linspace(0.05, 1, height, dtype=torch.float64)[:, None]).clamp(-1, 1).to(dtype)
