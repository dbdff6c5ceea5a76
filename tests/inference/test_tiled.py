"""Strip by strip or in one forward: the same picture, for every way to wire the networks."""

import subprocess
import sys
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from cartoon_dist.inference.moments import Moments
from cartoon_dist.inference.tiled import generate_in_strips
from cartoon_dist.models.animegan import AnimeGenerator
from cartoon_dist.models.blocks import Padding, Upsample
from cartoon_dist.models.generator import Generator, GeneratorOutput
from cartoon_dist.models.saliency_net import SaliencyNetwork, Wiring
from cartoon_dist.models.whitebox import WhiteboxGenerator
from tests.running import LIMIT_SECONDS, ROOT, environment

WIRINGS: list[tuple[Wiring | None, bool]] = [
    (None, False),
    *product(("sal", "projection", "identity"), (False, True)),  # type: ignore[list-item]
]


def generator(
    wiring: Wiring | None = "projection",
    *,
    attention: bool = False,
    upsample: Upsample = "transposed",
    dtype: torch.dtype = torch.float64,
) -> Generator:
    """A small generator whose weights are large enough for every border and every statistic to show."""
    torch.manual_seed(1)
    channels = 4
    saliency = SaliencyNetwork(channels=channels, out_channels=1, wiring=wiring, upsample=upsample) if wiring else None
    made = Generator(channels=channels, num_blocks=2, upsample=upsample, saliency=saliency, attention=attention)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)
    return made.to(dtype).eval().requires_grad_(requires_grad=False)


def photo(height: int, width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Noise that grows from top to bottom, so that no strip has the statistics of the whole."""
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return (noise * torch.linspace(0.05, 1, height, dtype=torch.float64)[:, None]).clamp(-1, 1).to(dtype)


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
@pytest.mark.parametrize(("wiring", "attention"), WIRINGS)
def test_every_wiring_equals_its_forward(wiring: Wiring | None, *, attention: bool, upsample: Upsample) -> None:
    for dtype, most in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        made = generator(wiring, attention=attention, upsample=upsample, dtype=dtype)
        one_photo = photo(44, 20, dtype)
        output: GeneratorOutput = made(one_photo)
        assert output.generated.std() > 0.05
        for rows in (4, 16, 44):
            assert (generate_in_strips(made, one_photo, rows=rows) - output.generated).abs().max() < most


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 40), (12, 8), (60, 12), (100, 16)])
@pytest.mark.parametrize("rows", [1, 3, 5, 12, 1000])
def test_all_heights_of_picture_and_strip(height: int, width: int, rows: int) -> None:
    made = generator("identity", attention=True)
    output: GeneratorOutput = made(photo(height, width))
    assert torch.allclose(generate_in_strips(made, photo(height, width), rows=rows), output.generated, atol=1e-12)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 40), (44, 20), (60, 12)])
@pytest.mark.parametrize("rows", [1, 3, 5, 16, 1000])
def test_animegans_generator(height: int, width: int, rows: int) -> None:
    """Depthwise convolutions, mirrors on one side, bilinear halves and doubles."""
    torch.manual_seed(1)
    made = AnimeGenerator(channels=4, num_blocks=2).double().eval().requires_grad_(requires_grad=False)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    output: GeneratorOutput = made(photo(height, width))
    assert output.generated.std() > 0.05
    assert torch.allclose(generate_in_strips(made, photo(height, width), rows=rows), output.generated, atol=1e-12)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 40), (44, 20), (60, 12)])
@pytest.mark.parametrize("rows", [1, 3, 5, 16, 1000])
@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_whiteboxs_generator(height: int, width: int, rows: int, padding: Padding) -> None:
    """Padding on one side, joints of the U, the guided filter."""
    torch.manual_seed(1)
    made = (
        WhiteboxGenerator(channels=4, num_blocks=2, padding=padding).double().eval().requires_grad_(requires_grad=False)
    )
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    output: GeneratorOutput = made(photo(height, width))
    assert output.generated.std() > 0.05
    assert torch.allclose(generate_in_strips(made, photo(height, width), rows=rows), output.generated, atol=1e-9)


def test_one_bright_pixel_changes_every_strip() -> None:
    """The largest value of a channel, and its mean, are those of the whole picture."""
    made, dark = generator(attention=True), torch.full((1, 3, 64, 16), -0.9, dtype=torch.float64)
    bright = dark.clone()
    bright[:, :, 62, 3] = 1
    before, after = (generate_in_strips(made, picture, rows=8) for picture in (dark, bright))
    assert (before - after)[:, :, :16].abs().min() > 0
    output: GeneratorOutput = made(bright)
    assert torch.allclose(after, output.generated, atol=1e-10)


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_a_flat_picture_has_no_variance_to_divide_by(value: float) -> None:
    made, flat = generator(attention=True), torch.full((1, 3, 32, 16), value, dtype=torch.float64)
    output: GeneratorOutput = made(flat)
    assert torch.allclose(generate_in_strips(made, flat, rows=8), output.generated, atol=1e-9)


def test_moments_keep_their_digits_far_from_zero() -> None:
    values = torch.randn(1, 2, 1000, 30, generator=torch.Generator().manual_seed(3)) * 0.01 + 1000
    values[:, 1] = torch.linspace(-1, 1, 1000)[:, None]
    moments = Moments()
    for strip in values.split([1, 7, 500, 92, 400], dim=2):
        moments.merge(Moments.of(strip))
    variance, mean = torch.var_mean(values.double(), (2, 3), correction=0, keepdim=True)
    assert torch.allclose(moments.mean, mean, rtol=1e-7)
    assert torch.allclose(moments.variance, variance, rtol=1e-3)  # float32 has four digits left beside 1000
    assert torch.equal(moments.maximum, values.amax((2, 3), keepdim=True))


def test_sides_that_do_not_fit_are_refused_as_by_the_network() -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        generate_in_strips(generator(), photo(10, 12))


def test_a_function_without_a_rule_is_an_error() -> None:
    class Other(nn.Module):
        def forward(self, photo: Tensor) -> GeneratorOutput:
            return GeneratorOutput(photo.cumsum(2), None)

    with pytest.raises(NotImplementedError, match="cumsum"):
        generate_in_strips(Other(), photo(8, 8))


def test_each_pass_is_reported() -> None:
    calls: list[tuple[int, int]] = []
    generate_in_strips(generator(), photo(16, 16), on_pass=lambda done, of: calls.append((done, of)))
    assert [done for done, _ in calls] == list(range(len(calls)))
    assert {of for _, of in calls} == {len(calls)}


GROWTH = """
import sys
from pathlib import Path
import numpy as np
import torch
from cartoon_dist.inference.batched import torch_cartoonizer
from cartoon_dist.models.generator import Generator
from cartoon_dist.models.saliency_net import SaliencyNetwork

torch.set_num_threads(1)
saliency = SaliencyNetwork(channels=8, out_channels=1, wiring="projection", upsample="resize")
generator = Generator(channels=8, num_blocks=1, upsample="resize", saliency=saliency, attention=True)
cartoonizer = torch_cartoonizer(generator.eval(), torch.device("cpu"), megapixels=float(sys.argv[1]))
picture = np.random.default_rng(1).integers(0, 256, (1600, 1000, 3), np.uint8)

def peak() -> int:
    # Not getrusage: what it says begins with the size of the process that started this one.
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1]) * 1024

cartoonizer.cartoonize([picture[:64, :64]])
before = peak()
cartoonizer.cartoonize([picture])
print(peak() - before)
"""


def memory_growth(megapixels: float) -> int:
    """The bytes by which a process grows when it cartoonizes 1.6 megapixels, up to `megapixels` in one forward."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, str(megapixels)],
        cwd=ROOT,
        env=environment() | {"MALLOC_MMAP_THRESHOLD_": "65536"},  # freed memory goes back at once, and is not counted
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_a_large_picture_takes_a_fraction_of_the_memory() -> None:
    in_strips = memory_growth(1)
    assert in_strips < 6 * 8 * 1600 * 1000 * 4  # six of the first stage's maps; a forward has more of them at a time
    assert memory_growth(2) > 1.7 * in_strips
