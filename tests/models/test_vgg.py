"""VGG's features against torchvision's own, on the same random weights."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from cartoon_dist.errors import WeightsError
from cartoon_dist.models.vgg import VGG, VGGInput
from cartoon_dist.vgg_layers import Network, layer_names
from tests.models import slow_networks

PICTURES = torch.rand(1, 3, 32, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module", params=["vgg16", "vgg19"])
def theirs(request: pytest.FixtureRequest) -> tuple[Network, nn.Sequential]:
    """torchvision's `features`, without the classifier's hundred million weights."""
    torch.manual_seed(0)
    return request.param, make_layers(cfgs[{"vgg16": "D", "vgg19": "E"}[request.param]])


def state(features: nn.Sequential) -> dict[str, Tensor]:
    """What torchvision's file holds: these names, and a classifier."""
    return {f"features.{name}": tensor for name, tensor in features.state_dict().items()} | {
        "classifier.0.bias": PICTURES
    }


def prepared(pictures: Tensor, vgg_input: VGGInput) -> Tensor:
    """What the network is to see, channel by channel."""
    red, green, blue = (pictures.unbind(1)[index] / 2 + 0.5 for index in range(3))
    return {
        "unit": torch.stack([red, green, blue], 1),
        "imagenet": torch.stack([(red - 0.485) / 0.229, (green - 0.456) / 0.224, (blue - 0.406) / 0.225], 1),
        "caffe": torch.stack([blue * 255 - 103.939, green * 255 - 116.779, red * 255 - 123.68], 1),
    }[vgg_input]


def test_every_layer_before_its_relu(theirs: tuple[Network, nn.Sequential]) -> None:
    network, features = theirs
    positions = [index for index, layer in enumerate(features) if isinstance(layer, nn.Conv2d)]
    for name, position in zip(layer_names(network), positions, strict=True):
        vgg = VGG(network=network, layer=name, vgg_input="unit")
        vgg.load(state(features))
        with torch.no_grad():
            expected = features[: position + 1](prepared(PICTURES, "unit"))
        torch.testing.assert_close(vgg(PICTURES), expected)
    assert float(expected.min()) < 0  # before the ReLU


@pytest.mark.parametrize("vgg_input", ["unit", "imagenet", "caffe"])
def test_inputs(theirs: tuple[Network, nn.Sequential], vgg_input: VGGInput) -> None:
    network, features = theirs
    vgg = VGG(network=network, layer="conv2_1", vgg_input=vgg_input)
    vgg.load(state(features))
    with torch.no_grad():
        torch.testing.assert_close(vgg(PICTURES), features[:6](prepared(PICTURES, vgg_input)), rtol=1e-4, atol=1e-4)


def test_names() -> None:
    assert layer_names("vgg16")[-6:] == [f"conv{block}_{index}" for block in (4, 5) for index in (1, 2, 3)]
    assert layer_names("vgg19")[-8:] == [f"conv{block}_{index}" for block in (4, 5) for index in (1, 2, 3, 4)]


@pytest.mark.parametrize("layer", ["conv4_4", "relu1_1", ""])
def test_unknown_layers_name_the_known(layer: str) -> None:
    with pytest.raises(ValueError, match=rf"vgg16 has no layer '{layer}'; there are conv1_1, .*conv4_3, .*conv5_3"):
        VGG(network="vgg16", layer=layer, vgg_input="unit")


def test_frozen_but_pictures_have_gradients() -> None:
    vgg, pictures = VGG(network="vgg16", layer="conv2_2", vgg_input="imagenet"), PICTURES.clone().requires_grad_()
    assert not any(parameter.requires_grad for parameter in vgg.parameters())
    assert not vgg.training
    vgg(pictures).square().mean().backward()
    assert pictures.grad is not None
    assert bool(pictures.grad.any())


def test_precision_moves_the_whole_network() -> None:
    vgg = VGG(network="vgg16", layer="conv1_2", vgg_input="caffe").double()
    assert vgg(PICTURES.double()).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert vgg.float()(PICTURES).dtype == torch.bfloat16


def test_weights_that_do_not_fit_are_refused(theirs: tuple[Network, nn.Sequential]) -> None:
    network, features = theirs
    vgg, held = VGG(network=network, layer="conv2_1", vgg_input="unit"), state(features)
    with pytest.raises(WeightsError, match=rf"not the weights of {network}: features.5.weight .* there is nothing"):
        vgg.load({name: tensor for name, tensor in held.items() if name != "features.5.weight"})
    with pytest.raises(WeightsError, match=r"features.0.weight should be \(64, 3, 3, 3\), there is \(1,\)"):
        vgg.load(held | {"features.0.weight": torch.zeros(1)})


def test_work_of_the_paper() -> None:
    with torch.device("meta"):
        vgg = VGG(network="vgg19", layer="conv4_4", vgg_input="unit")
    assert slow_networks.giga_multiplications(vgg) == pytest.approx(23.1, abs=0.05)
