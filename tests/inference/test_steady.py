"""Eased statistics: whatever the batches, in one forward or in strips, and nothing of them in a picture."""

import copy

import pytest
import torch
from torch import Tensor, nn

from cartoon_dist.gpu import layout
from cartoon_dist.inference.steady import SteadyStatistics
from cartoon_dist.inference.tiled import generate_in_strips
from cartoon_dist.models.animegan import AnimeGenerator
from cartoon_dist.models.generator import CartoonGenerator, Generator
from cartoon_dist.models.saliency_net import SaliencyNetwork
from cartoon_dist.models.whitebox import WhiteboxGenerator
from tests.operation_counter import OperationCounter

WEIGHTS = [0.0, 0.9, 0.8, 0.9, 0.0, 0.5, 0.9]
"""Of the past, for seven frames; two scenes."""


def generator(kind: str) -> CartoonGenerator:
    """A small one, in float64, whose statistics show."""
    torch.manual_seed(1)
    made: CartoonGenerator
    if kind == "animegan":
        made = AnimeGenerator(channels=4, num_blocks=1)
    elif kind == "whitebox":
        made = WhiteboxGenerator(channels=4, num_blocks=1)
    else:
        saliency = SaliencyNetwork(channels=4, out_channels=1, wiring="projection", upsample="resize")
        made = Generator(channels=4, num_blocks=1, upsample="resize", saliency=saliency, attention=True)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)
    return made.double().eval().requires_grad_(requires_grad=False)


def frames(num: int = len(WEIGHTS)) -> Tensor:
    """Noise that grows brighter."""
    noise = torch.randn(num, 3, 24, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return (noise * 0.3 + torch.linspace(-0.5, 0.5, num, dtype=torch.float64)[:, None, None, None]).clamp(-1, 1)


def drawn(made: CartoonGenerator, steady: SteadyStatistics, size: int, *, begin: int = 0, rows: int = 0) -> Tensor:
    """The frames from `begin` on, in batches of a size, or one by one in strips of so many rows."""
    parts = []
    with steady.attached():
        for first in range(begin, len(WEIGHTS), size):
            batch = frames()[first : first + size]
            steady.begin_batch(WEIGHTS[first : first + size])
            parts.append(generate_in_strips(made, batch, rows=rows) if rows else made(batch).generated)
    return torch.cat(parts)


@pytest.mark.parametrize("kind", ["cartoongan", "animegan"])
def test_batches_and_strips_give_the_same_frames(kind: str) -> None:
    made = generator(kind)
    one_by_one = drawn(made, SteadyStatistics(made), 1)
    assert (one_by_one - made(frames()).generated).abs().max() > 0.01, "easing must show, or nothing is tested"
    for size in (2, 3, 7):
        assert torch.allclose(drawn(made, SteadyStatistics(made), size), one_by_one, atol=1e-11)
    for rows in (4, 16):
        assert torch.allclose(drawn(made, SteadyStatistics(made), 1, rows=rows), one_by_one, atol=1e-11)


def test_the_first_frame_of_a_scene_is_drawn_as_a_picture() -> None:
    made = generator("cartoongan")
    alone, eased = made(frames()).generated, drawn(made, SteadyStatistics(made), 3)
    for index, weight in enumerate(WEIGHTS):
        same = torch.allclose(eased[index], alone[index], atol=1e-9)
        assert same == (weight == 0)


def test_a_gpus_operations_give_the_same_frames() -> None:
    """In its layout and with its fused operations, behind which torch's stand on a CPU; eased norms are torch's."""
    made = generator("cartoongan")
    made.blocks.append(copy.deepcopy(made.blocks[0]))  # type: ignore[union-attr, operator, index]
    expected = drawn(made, SteadyStatistics(made), 3)
    with layout.forced(), OperationCounter() as counter:
        made = made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        found = drawn(made, SteadyStatistics(made), 3)
    assert torch.allclose(found, expected, atol=1e-11)
    assert counter.num["cartoon_dist::cbam_product"] == 3 * 3
    assert counter.num["cartoon_dist::instance_norm"] == 0


def test_it_goes_on_from_a_state() -> None:
    made = generator("cartoongan")
    whole = drawn(made, SteadyStatistics(made), 1)
    first = SteadyStatistics(made)
    with first.attached():
        first.begin_batch(WEIGHTS[:3])
        made(frames()[:3])
    second = SteadyStatistics(made)
    second.restore(first.state())
    assert torch.allclose(drawn(made, second, 1, begin=3), whole[3:], atol=1e-11)


def test_a_picture_is_the_same_to_the_bit_before_and_after() -> None:
    made = generator("cartoongan")
    before = made(frames()).generated
    drawn(made, SteadyStatistics(made), 2)
    assert torch.equal(made(frames()).generated, before)
    assert not any("forward" in vars(module) or "pool" in vars(module) for module in made.modules())


def test_what_changes_in_a_part_of_a_frame_changes_less_elsewhere() -> None:
    """Noise comes and goes in the upper part of a still frame; the lower part keeps its colours better."""
    made = generator("animegan")
    film = frames(1).repeat(6, 1, 8, 1)
    film[:, :, :32] = torch.randn(6, 3, 32, 16, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    below = 160  # further from the noise than any convolution sees
    alone = made(film).generated[:, :, below:]
    steady = SteadyStatistics(made)
    with steady.attached():
        steady.begin_batch([0.0, *[0.9] * 5])
        eased = made(film).generated[:, :, below:]
    assert eased.diff(dim=0).abs().mean() < 0.5 * alone.diff(dim=0).abs().mean()


def test_a_network_without_statistics_says_so() -> None:
    assert not SteadyStatistics(generator("whitebox")).has_layers
    assert SteadyStatistics(generator("animegan")).has_layers
