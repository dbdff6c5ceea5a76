"""G: the paper's counts, the same network written out slowly, and what training asks of it."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from cartoon_dist.models.blocks import Padding, Upsample, num_parameters
from cartoon_dist.models.generator import Generator
from cartoon_dist.models.saliency_net import SaliencyNetwork
from tests.models import slow_networks


def build(
    *,
    channels: int = 4,
    num_blocks: int = 2,
    saliency: bool = True,
    attention: bool = True,
    upsample: Upsample = "transposed",
) -> Generator:
    """A generator; small, unless the test says otherwise."""
    network = None
    if saliency:
        network = SaliencyNetwork(channels=channels, out_channels=1, wiring="sal", upsample=upsample)
    return Generator(channels=channels, num_blocks=num_blocks, upsample=upsample, saliency=network, attention=attention)


def photos(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Pictures of noise in [-1, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(3), dtype=dtype) * 2 - 1


def test_counts_of_the_paper() -> None:
    with torch.device("meta"):
        plain = build(channels=64, num_blocks=8, saliency=False, attention=False)
        joined = build(channels=64, num_blocks=8, attention=False)
        attentive = build(channels=64, num_blocks=8)
        resized = build(channels=64, num_blocks=8, upsample="resize")
    assert num_parameters(plain) == 11_129_667
    assert num_parameters(joined.joints) == 172_480
    assert num_parameters(joined) == 11_129_667 + 172_480 + 1_672_641
    assert num_parameters(attentive) - num_parameters(joined) == 11_522
    assert num_parameters(resized) == num_parameters(attentive)


def test_work() -> None:
    with torch.device("meta"):
        plain = build(channels=64, num_blocks=8, saliency=False, attention=False)
    assert slow_networks.giga_multiplications(plain) == pytest.approx(54.4, abs=0.05)


@pytest.mark.parametrize(("saliency", "attention"), [(False, False), (True, False), (True, True)])
def test_against_the_layer_list(saliency: bool, attention: bool) -> None:  # noqa: FBT001
    torch.manual_seed(0)
    network = build(saliency=saliency, attention=attention).double()
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2)
    photo, held = photos(2, 3, 16, 12), network.state_dict()
    drawing = network(photo)
    seen: list[Tensor] = []
    if saliency:
        of_saliency = {name.removeprefix("saliency."): held[name] for name in held if name.startswith("saliency.")}
        slow_map, seen = slow_networks.saliency(of_saliency, photo, "sal")
        torch.testing.assert_close(drawing.saliency, slow_map, rtol=1e-9, atol=1e-9)
    else:
        assert drawing.saliency is None
    attentions = [joint.attention for joint in network.joints] if attention else []
    slow = slow_networks.generator(held, photo, seen, attentions, num_blocks=2)
    torch.testing.assert_close(drawing.generated, slow, rtol=1e-9, atol=1e-9)
    assert float(drawing.generated.detach().abs().max()) <= 1


def test_detached_joints_keep_the_generators_losses_from_the_saliency_network() -> None:
    network, photo = build().double(), photos(1, 3, 16, 16)
    assert network.saliency is not None
    theirs, ours = list(network.saliency.parameters()), list(network.blocks.parameters())

    def reached(loss: Tensor, parameters: list[nn.Parameter]) -> bool:
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
        return any(gradient is not None and bool(gradient.any()) for gradient in gradients)

    attached, detached = network(photo), network(photo, detach_joints=True)
    torch.testing.assert_close(attached.generated, detached.generated, rtol=0, atol=0)
    assert reached(attached.generated.square().sum(), theirs)
    assert not reached(detached.generated.square().sum(), theirs)
    assert reached(detached.generated.square().sum(), ours)
    assert reached(detached.saliency.square().sum(), theirs)


def test_a_change_is_added_to_the_photo() -> None:
    torch.manual_seed(0)
    picture, change = (
        Generator(channels=4, num_blocks=1, upsample="resize", saliency=None, attention=False, output=output).double()
        for output in ("picture", "change")
    )
    change.load_state_dict(picture.state_dict())
    photo = photos(2, 3, 16, 12)
    torch.testing.assert_close(change(photo).generated, photo + picture(photo).generated, rtol=0, atol=0)


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_with_mirrored_borders_a_picture_of_one_colour_gets_no_frame(padding: Padding) -> None:
    torch.manual_seed(0)
    saliency = SaliencyNetwork(channels=4, out_channels=1, wiring="projection", upsample="resize", padding=padding)
    network = Generator(
        channels=4, num_blocks=1, upsample="resize", saliency=saliency, attention=False, padding=padding
    ).double()
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2)
    drawing = network(torch.full((1, 3, 24, 20), 0.3, dtype=torch.float64))
    for made in (drawing.generated, drawing.saliency):
        spread = float((made - made[:, :, :1, :1]).detach().abs().max())
        assert (spread < 1e-6) is (padding == "reflect"), spread


def test_attention_needs_joints() -> None:
    with pytest.raises(ValueError, match="attention"):
        build(saliency=False)


def test_both_networks_are_of_one_width() -> None:
    saliency = SaliencyNetwork(channels=8, out_channels=1, wiring="sal", upsample="transposed")
    with pytest.raises(ValueError, match="8 channels, the generator 4"):
        Generator(channels=4, num_blocks=1, upsample="transposed", saliency=saliency, attention=False)


@pytest.mark.parametrize("shape", [(8, 8), (8, 20), (36, 12)])
@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_any_multiple_of_four(shape: tuple[int, int], upsample: Upsample) -> None:
    network = build(upsample=upsample).double()
    drawing = network(photos(1, 3, *shape))
    assert drawing.generated.shape == (1, 3, *shape)
    assert drawing.saliency.shape == (1, 1, *shape)
    with pytest.raises(ValueError, match="multiples of 4"):
        network(photos(1, 3, shape[0] + 2, shape[1]))


def test_a_picture_is_drawn_alike_alone_in_company_and_after_training() -> None:
    network, photo = build().double(), photos(3, 3, 16, 16)
    together = network(photo).generated
    torch.testing.assert_close(network(photo[1:2]).generated[0], together[1], rtol=1e-10, atol=1e-12)
    assert torch.equal(copy.deepcopy(network).eval()(photo).generated, together)


def test_half_precision_draws_nearly_the_same() -> None:
    torch.manual_seed(0)
    network, photo = build(channels=8), photos(2, 3, 32, 32, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        drawing = network(photo)
    drawing.generated.float().square().mean().backward()
    assert all(
        bool(parameter.grad.isfinite().all()) for parameter in network.parameters() if parameter.grad is not None
    )
    difference = (drawing.generated.float() - network(photo).generated).detach().abs()
    assert float(difference.max()) < 0.1
    assert float(difference.mean()) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_traced_step_replays_like_the_eager_one(checkpointed: bool) -> None:  # noqa: FBT001
    network = build().double()
    network.checkpoint_blocks = checkpointed
    held = {name: parameter.detach() for name, parameter in network.named_parameters()}

    def step(weights: dict[str, Tensor], photo: Tensor) -> list[Tensor]:
        weights = {name: tensor.requires_grad_() for name, tensor in weights.items()}
        drawing = torch.func.functional_call(network, weights, (photo,))
        loss = drawing.generated.abs().mean() + drawing.saliency.square().mean()
        return [loss, *torch.autograd.grad(loss, list(weights.values()))]

    traced = make_fx(step)(held, photos(1, 3, 16, 16))
    other = photos(2, 3, 16, 16)[1:]
    for replayed, eager in zip(traced(held, other), step(held, other), strict=True):
        assert torch.equal(replayed, eager)


def test_checkpointed_blocks_give_the_same_gradients_and_keep_less() -> None:
    network, photo = build(num_blocks=3).double(), photos(2, 3, 16, 16)
    held: dict[bool, tuple[int, list[Tensor]]] = {}
    for checkpointed in (False, True):
        network.checkpoint_blocks = checkpointed
        network.zero_grad()
        kept: dict[int, int] = {}

        def keep(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            generated = network(photo).generated
        generated.square().mean().backward()
        gradients = [weight.grad.clone() for weight in network.parameters() if weight.grad is not None]
        held[checkpointed] = (sum(kept.values()), gradients)
    assert held[True][0] < 0.9 * held[False][0]
    assert len(held[True][1]) == len(held[False][1])
    assert all(torch.equal(one, other) for one, other in zip(held[False][1], held[True][1], strict=True))
