"""The networks once more, from the paper's layer lists and plain functions, on the weights of the real ones.

The names of the weights are spelled out here: they are what checkpoints and exported files hold.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

Weights = Mapping[str, Tensor]


def giga_multiplications(network: nn.Module, side: int = 256) -> float:
    """Multiply-adds of one picture, by torch's own counter, in 10^9; build the network on the meta device."""
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, side, side, device="meta"))
    return counter.get_total_flops() / 2e9


def conv(w: Weights, name: str, maps: Tensor, *, stride: int = 1, reflect: bool = False) -> Tensor:
    """k s, by the size of the kernel that is stored."""
    kernel, bias = w[f"{name}.weight"], w[f"{name}.bias"]
    edge = kernel.shape[2] // 2
    maps = functional.pad(maps, (edge,) * 4, mode="reflect" if reflect else "constant")
    return functional.conv2d(maps, kernel, bias, stride=stride)


def norm(w: Weights, name: str, maps: Tensor) -> Tensor:
    """IN, affine where there are weights for it."""
    mean, variance = maps.mean((2, 3), keepdim=True), maps.var((2, 3), keepdim=True, correction=0)
    maps = (maps - mean) / (variance + 1e-5).sqrt()
    if f"{name}.weight" not in w:
        return maps
    return maps * w[f"{name}.weight"].view(-1, 1, 1) + w[f"{name}.bias"].view(-1, 1, 1)


def first(w: Weights, name: str, maps: Tensor) -> Tensor:
    """k7 IN ReLU."""
    return norm(w, f"{name}.norm", conv(w, f"{name}.conv", maps, reflect=True)).clamp(min=0)


def down(w: Weights, name: str, maps: Tensor) -> Tensor:
    """k3s2, k3s1 IN ReLU."""
    maps = conv(w, f"{name}.conv", conv(w, f"{name}.strided", maps, stride=2))
    return norm(w, f"{name}.norm", maps).clamp(min=0)


def residual(w: Weights, name: str, maps: Tensor) -> Tensor:
    """x + k3 IN ReLU k3 IN."""
    inner = norm(w, f"{name}.norm1", conv(w, f"{name}.conv1", maps, reflect=True)).clamp(min=0)
    return maps + norm(w, f"{name}.norm2", conv(w, f"{name}.conv2", inner, reflect=True))


def projection(w: Weights, name: str, maps: Tensor, *, stride: int) -> Tensor:
    """ReLU(k IN ReLU k3 IN + k1)."""
    inner = conv(w, f"{name}.conv1", maps, stride=stride, reflect=stride == 1)
    inner = conv(w, f"{name}.conv2", norm(w, f"{name}.norm1", inner).clamp(min=0))
    return (norm(w, f"{name}.norm2", inner) + conv(w, f"{name}.projection", maps, stride=stride)).clamp(min=0)


def up(w: Weights, name: str, maps: Tensor) -> Tensor:
    """k3s1/2, k3s1 IN ReLU; transposed by its definition: zeros between the pixels, then the flipped kernel."""
    n, c, height, width = maps.shape
    spread = maps.new_zeros(n, c, 2 * height, 2 * width)
    spread[:, :, ::2, ::2] = maps
    kernel = w[f"{name}.enlarge.weight"].transpose(0, 1).flip(2, 3)
    maps = functional.conv2d(spread, kernel, w[f"{name}.enlarge.bias"], padding=1)
    return norm(w, f"{name}.norm", conv(w, f"{name}.conv", maps)).clamp(min=0)


def decoder(w: Weights, name: str, maps: Tensor) -> Tensor:
    """Two up stages, k7 tanh."""
    return conv(w, f"{name}.conv", up(w, f"{name}.up2", up(w, f"{name}.up1", maps)), reflect=True).tanh()


def saliency(w: Weights, photo: Tensor, wiring: str) -> tuple[Tensor, list[Tensor]]:
    """S in all its wirings: the map, and f1, f2, f3."""
    seen, maps = [], photo
    for index in range(3):
        name = f"encoder.{index}"
        if wiring == "projection":
            maps = projection(w, name, maps, stride=1 if index == 0 else 2)
        else:
            maps = first(w, name, maps) if index == 0 else down(w, name, maps)
            maps = residual(w, f"{name}.residual", maps) if wiring == "identity" else maps
        seen.append(maps)
    return decoder(w, "decoder", maps), seen


def generator(w: Weights, photo: Tensor, seen: list[Tensor], attention: list[nn.Module], num_blocks: int) -> Tensor:
    """G, joined to what S has seen; the attention modules are tested for themselves."""
    maps = photo
    for index in range(3):
        maps = first(w, "encoder.0", maps) if index == 0 else down(w, f"encoder.{index}", maps)
        if seen:
            maps = conv(w, f"joints.{index}.conv", torch.cat([maps, seen[index]], 1))
        if attention:
            maps = attention[index](maps)
    for index in range(num_blocks):
        maps = residual(w, f"blocks.{index}", maps)
    return decoder(w, "decoder", maps)


def discriminator(w: Weights, pictures: Tensor) -> Tensor:
    """D: strides 1 2 1 2 1 1 1, IN after the third, fifth and sixth."""
    maps = pictures
    for index, (stride, normed) in enumerate([(1, False), (2, False), (1, True), (2, False), (1, True), (1, True)]):
        maps = conv(w, f"layers.{index}.conv", maps, stride=stride)
        maps = norm(w, "", maps) if normed else maps
        maps = torch.where(maps > 0, maps, 0.2 * maps)
    return conv(w, "layers.6", maps)
