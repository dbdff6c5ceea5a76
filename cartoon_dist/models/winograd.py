"""3x3 convolutions with a quarter of the multiplications, for the CPU (Lavin and Gray, CVPR 2016, F(4x4, 3x3)).

The maps are cut into tiles of 6x6 that overlap by two; a tile gives 4x4 pixels of the result:
Y = A [(G g G^T) * (B d B^T)] A^T (Eq 8 there, whose B^T, A^T are B, A here). The product between the tiles of all
channels is one matrix product for each of the 36 places of a tile. Both gradients take the same way back.

cuDNN does the same on GPUs; oneDNN, torch's convolutions on CPU, does not. Exact up to rounding: relative errors in
float32 are near 2e-6, against 2e-7 of the plain sum.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_B = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
_G = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
_A = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)
_ONES = 7
"""The place of a tile whose value A [.] A^T gives to all 4x4 pixels: where a bias is added."""
_CHUNK = 128
"""Tiles taken at a time: what is made of them stays in the cache. 128 measured best of 128 to 1024."""
_FEWEST_TILES = 128
_FEWEST_WEIGHTS = 64 * 128
"""Fewer tiles or channels and the transforms cost more than they save."""


def suits(maps: Tensor, weight: Tensor, stride: tuple[int, ...]) -> bool:
    """Whether a convolution that keeps the resolution is faster this way; decided by shapes and types alone."""
    n, _, height, width = maps.shape
    return (
        maps.is_cpu
        and maps.dtype == weight.dtype
        and maps.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and tuple(weight.shape[2:]) == (3, 3)
        and tuple(stride) == (1, 1)
        and height % 4 == 0
        and width % 4 == 0
        and n * height * width >= 16 * _FEWEST_TILES
        and weight.shape[0] * weight.shape[1] >= _FEWEST_WEIGHTS
    )


def winograd(maps: Tensor, weight: Tensor, bias: Tensor | None, *, reflect: bool) -> Tensor:
    """n c y x -> n c' y x by a 3x3 kernel c' c 3 3, sides multiples of 4; borders reflected, or zero.

    What it keeps for the backward are the maps before their padding, and only where the kernel learns.
    """
    made: Tensor = _Winograd.apply(maps, weight, bias, reflect)
    return made


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, reflect: bool) -> Tensor:  # noqa: FBT001
        ctx.save_for_backward(maps if ctx.needs_input_grad[1] else maps.new_empty(0), weight)
        ctx.reflect = reflect
        a, b = _kronecker(_A, maps), _kronecker(_B, maps)
        kernel = _transformed_weight(weight)
        padded = _padded(maps, reflect=reflect)
        made = maps.new_empty(len(maps), len(weight), *maps.shape[2:])
        for images, first, last in _chunks(maps):
            products = torch.bmm(kernel, _transformed_maps(b, padded[images, :, 4 * first : 4 * last + 2]))  # 36 c' p
            if bias is not None:
                products[_ONES].add_(bias.unsqueeze(1))
            tiles = _tiles(made[images, :, 4 * first : 4 * last])
            tiles.copy_((a @ products.flatten(1)).view(tiles.shape))
        return made

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        to_maps, to_weight, to_bias, _ = ctx.needs_input_grad
        back_a = _kronecker(_A, gradient).t().contiguous()
        b = _kronecker(_B, gradient)
        back_b = b.t().contiguous()
        n, _, height, width = gradient.shape
        # Two more rows and columns than the padded maps have: the last tiles' overlap falls there, as zeros.
        of_padded = gradient.new_zeros(n, weight.shape[1], height + 4, width + 4) if to_maps else None
        kernel = _transformed_weight(weight).transpose(1, 2) if to_maps else None
        of_kernel = gradient.new_zeros(36, *weight.shape[:2]) if to_weight else None
        padded = _padded(maps, reflect=ctx.reflect) if to_weight else None
        for images, first, last in _chunks(gradient):
            tiles = _tiles(gradient[images, :, 4 * first : 4 * last])
            products = (back_a @ tiles.reshape(16, -1)).view(36, len(weight), -1)  # 36 c' p
            if of_kernel is not None and padded is not None:
                seen = _transformed_maps(b, padded[images, :, 4 * first : 4 * last + 2])
                of_kernel.baddbmm_(products, seen.transpose(1, 2))
            if of_padded is not None and kernel is not None:
                back = back_b @ torch.bmm(kernel, products).flatten(1)
                _add_overlapping(of_padded, (images, slice(None), slice(4 * first, 4 * last + 4)), back)
        return (
            _without_padding(of_padded, gradient, reflect=ctx.reflect) if of_padded is not None else None,
            _weight_of(of_kernel, weight) if of_kernel is not None else None,
            gradient.sum((0, 2, 3)) if to_bias else None,
            None,
        )


def _kronecker(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """The transform of both directions at once: M x M, applied to a tile's places in one row after the other."""
    one = torch.tensor(matrix, dtype=like.dtype)
    return torch.kron(one, one)


def _transformed_weight(weight: Tensor) -> Tensor:
    """c' c 3 3 -> 36 c' c."""
    out_channels, in_channels = weight.shape[:2]
    return (_kronecker(_G, weight) @ weight.reshape(-1, 9).t()).view(36, out_channels, in_channels)


def _weight_of(of_kernel: Tensor, weight: Tensor) -> Tensor:
    """The gradient of the transformed weights, 36 c' c -> that of the weights, c' c 3 3."""
    back = _kronecker(_G, weight).t() @ of_kernel.flatten(1)
    return back.view(3, 3, *weight.shape[:2]).permute(2, 3, 0, 1).contiguous()


def _padded(maps: Tensor, *, reflect: bool) -> Tensor:
    return functional.pad(maps, (1, 1, 1, 1), mode="reflect" if reflect else "constant")


def _without_padding(of_padded: Tensor, gradient: Tensor, *, reflect: bool) -> Tensor:
    """The gradient of the padded maps -> that of the maps: what was reflected is added to where it came from."""
    height, width = gradient.shape[2:]
    inner = of_padded[:, :, 1 : height + 1, 1 : width + 1]
    if not reflect:
        return inner.contiguous()
    padded = of_padded[:, :, : height + 2, : width + 2].contiguous()
    back: Tensor = torch.ops.aten.reflection_pad2d_backward(padded, gradient.new_empty(inner.shape), [1, 1, 1, 1])
    return back


def _chunks(maps: Tensor) -> Iterator[tuple[slice, int, int]]:
    """Which pictures, and from which row of tiles to which, so that about so many tiles come together."""
    num, rows, columns = len(maps), maps.shape[2] // 4, maps.shape[3] // 4
    together = max(1, _CHUNK // (rows * columns))
    band = min(rows, max(1, _CHUNK // columns))
    for start in range(0, num, together):
        for first in range(0, rows, band):
            yield slice(start, min(num, start + together)), first, min(rows, first + band)


def _tiles(maps: Tensor) -> Tensor:
    """The maps' own memory, n c 4t 4u, as 4 4 c n t u: tile by tile."""
    return maps.unflatten(3, (-1, 4)).unflatten(2, (-1, 4)).permute(3, 5, 1, 0, 2, 4)


def _transformed_maps(b: Tensor, padded: Tensor) -> Tensor:
    """B d B^T of each tile of padded maps n c 4t+2 4u+2: 36 c p."""
    tiles = padded.unfold(2, 6, 4).unfold(3, 6, 4).permute(4, 5, 1, 0, 2, 3)  # 6 6 c n t u
    return (b @ tiles.reshape(36, -1)).view(36, padded.shape[1], -1)


def _add_overlapping(of_padded: Tensor, place: tuple[slice, slice, slice], back: Tensor) -> None:
    """Add tiles of 6x6, given as 36 x (c p), to the place of maps in which they begin every 4 pixels.

    Four times, as what a tile shares with its right, lower and diagonal neighbour lies among their first pixels.
    """
    back = back.view(6, 6, *_tiles(of_padded[place][:, :, :-4, :-4]).shape[2:])
    _tiles(of_padded[place][:, :, :-4, :-4]).add_(back[:4, :4])
    _tiles(of_padded[place][:, :, :-4, 4:])[:, :2].add_(back[:4, 4:])
    _tiles(of_padded[place][:, :, 4:, :-4])[:2].add_(back[4:, :4])
    _tiles(of_padded[place][:, :, 4:, 4:])[:2, :2].add_(back[4:, 4:])
