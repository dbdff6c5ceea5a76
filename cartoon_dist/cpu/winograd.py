"""3x3 convolutions with a quarter of the multiplications, for the CPU (Lavin and Gray, CVPR 2016, F(4x4, 3x3)).

The maps are cut into tiles of 6x6 that overlap by two; a tile gives 4x4 pixels of the result:
Y = A [(G g G^T) * (B d B^T)] A^T (Eq 8 there, whose B^T, A^T are B, A here). The product between the tiles of all
channels is one matrix product for each of the 36 positions in a tile. Both gradients use the same transforms.

cuDNN does the same on GPUs; oneDNN, torch's convolutions on CPU, does not. Exact up to rounding: relative errors in
float32 are near 2e-6, against 2e-7 of the plain sum.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.cpu import switch

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
_BIAS_POSITION = 7
"""The position in a tile whose value A [.] A^T adds to all 4x4 pixels: where a bias is added."""
_CHUNK = 128
"""Tiles computed at a time: their intermediate results stay in the cache. 128 measured best of 128 to 1024."""
_MIN_TILES = 128
_MIN_WEIGHTS = 64 * 128
"""With fewer tiles or weights the transforms cost more than they save."""


def is_faster(maps: Tensor, weight: Tensor, stride: tuple[int, ...]) -> bool:
    """Whether a convolution that keeps the resolution is faster this way; decided by shapes and types alone."""
    n, _, height, width = maps.shape
    return (
        switch.is_enabled()
        and maps.is_cpu
        and maps.dtype == weight.dtype
        and maps.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and tuple(weight.shape[2:]) == (3, 3)
        and tuple(stride) == (1, 1)
        and height % 4 == 0
        and width % 4 == 0
        and n * height * width >= 16 * _MIN_TILES
        and weight.shape[0] * weight.shape[1] >= _MIN_WEIGHTS
    )


def winograd_convolution(maps: Tensor, weight: Tensor, bias: Tensor | None, *, reflect: bool) -> Tensor:
    """n c y x -> n c' y x by a 3x3 kernel c' c 3 3, sides multiples of 4; borders reflected, or zero.

    For the backward it keeps the maps before their padding, and only where the kernel needs a gradient.
    """
    convolved: Tensor = _Winograd.apply(maps, weight, bias, reflect)
    return convolved


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, reflect: bool) -> Tensor:  # noqa: FBT001
        ctx.save_for_backward(maps if ctx.needs_input_grad[1] else maps.new_empty(0), weight)
        ctx.reflect = reflect
        a, b = _kronecker(_A, maps), _kronecker(_B, maps)
        kernel = _transformed_weight(weight).transpose(1, 2)  # 36 c c'
        padded = _padded(maps, reflect=reflect)
        output = maps.new_empty(len(maps), *maps.shape[2:], len(weight))
        for images, first, last in _chunks(output):
            products = torch.bmm(_transformed_maps(b, padded[images, 4 * first : 4 * last + 2]), kernel)  # 36 p c'
            if bias is not None:
                products[_BIAS_POSITION].add_(bias)
            tiles = _tiles(output[images, 4 * first : 4 * last])
            tiles.copy_((a @ products.flatten(1)).view(tiles.shape))
        return _channels_first(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        to_maps, to_weight, to_bias, _ = ctx.needs_input_grad
        upstream = _channels_last(gradient)
        back_a = _kronecker(_A, gradient).t().contiguous()
        b = _kronecker(_B, gradient)
        back_b = b.t().contiguous()
        n, height, width, out_channels = upstream.shape
        # Two more rows and columns than the padded maps have, for the overlap of the last tiles.
        of_padded = gradient.new_zeros(n, height + 4, width + 4, weight.shape[1]) if to_maps else None
        kernel = _transformed_weight(weight) if to_maps else None
        of_kernel = gradient.new_zeros(36, *weight.shape[:2]) if to_weight else None
        padded = _padded(maps, reflect=ctx.reflect) if to_weight else None
        for images, first, last in _chunks(upstream):
            tiles = _tiles(upstream[images, 4 * first : 4 * last])
            products = (back_a @ tiles.reshape(16, -1)).view(36, -1, out_channels)  # 36 p c'
            if of_kernel is not None and padded is not None:
                transformed = _transformed_maps(b, padded[images, 4 * first : 4 * last + 2])
                of_kernel.baddbmm_(products.transpose(1, 2), transformed)
            if of_padded is not None and kernel is not None:
                back = back_b @ torch.bmm(products, kernel).flatten(1)
                _add_overlapping(of_padded, (images, slice(4 * first, 4 * last + 4)), back)
        return (
            _without_padding(of_padded, reflect=ctx.reflect) if of_padded is not None else None,
            _weight_of(of_kernel, weight) if of_kernel is not None else None,
            gradient.sum((0, 2, 3)) if to_bias else None,
            None,
        )


def _kronecker(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """The transform of both directions at once: M x M, applied to a tile's values row by row."""
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


def _channels_last(maps: Tensor) -> Tensor:
    """n c y x -> n y x c, where the channels of a pixel lie together, so that tiles are gathered in long runs.

    Picture by picture, as a transposed matrix, which torch copies block by block.
    """
    n, c, height, width = maps.shape
    output = maps.new_empty(n, height, width, c)
    for index in range(n):
        output[index].view(-1, c).copy_(maps[index].reshape(c, -1).t())
    return output


def _channels_first(maps: Tensor) -> Tensor:
    """n y x c -> n c y x."""
    n, height, width, c = maps.shape
    output = maps.new_empty(n, c, height, width)
    for index in range(n):
        output[index].view(c, -1).copy_(maps[index].reshape(-1, c).t())
    return output


def _padded(maps: Tensor, *, reflect: bool) -> Tensor:
    """n c y x -> n y+2 x+2 c."""
    return _channels_last(functional.pad(maps, (1, 1, 1, 1), mode="reflect" if reflect else "constant"))


def _without_padding(of_padded: Tensor, *, reflect: bool) -> Tensor:
    """The gradient of the padded maps, n y+4 x+4 c -> that of the maps, n c y x: gradients of reflected pixels are
    added to their originals."""
    if not reflect:
        return _channels_first(of_padded[:, 1:-3, 1:-3])
    padded = _channels_first(of_padded[:, :-2, :-2])
    inner = padded[:, :, 1:-1, 1:-1]  # asked for its shape alone
    back: Tensor = torch.ops.aten.reflection_pad2d_backward(padded, inner, [1, 1, 1, 1])
    return back


def _chunks(maps: Tensor) -> Iterator[tuple[slice, int, int]]:
    """Parts of maps n y x c with about _CHUNK tiles each: which pictures, and from which row of tiles to which."""
    num, rows, columns = len(maps), maps.shape[1] // 4, maps.shape[2] // 4
    together = max(1, _CHUNK // (rows * columns))
    band = min(rows, max(1, _CHUNK // columns))
    for start in range(0, num, together):
        for first in range(0, rows, band):
            yield slice(start, min(num, start + together)), first, min(rows, first + band)


def _tiles(maps: Tensor) -> Tensor:
    """A view of maps n 4t 4u c as 4 4 n t u c: tile by tile."""
    return maps.unflatten(2, (-1, 4)).unflatten(1, (-1, 4)).permute(2, 4, 0, 1, 3, 5)


def _transformed_maps(b: Tensor, padded: Tensor) -> Tensor:
    """B d B^T of each tile of padded maps n 4t+2 4u+2 c: 36 p c."""
    tiles = padded.unfold(1, 6, 4).unfold(2, 6, 4).permute(4, 5, 0, 1, 2, 3)  # 6 6 n t u c
    return (b @ tiles.reshape(36, -1)).view(36, -1, padded.shape[3])


def _add_overlapping(of_padded: Tensor, region: tuple[slice, slice], back: Tensor) -> None:
    """Add tiles of 6x6, given as 36 x (p c), to the region of maps in which one begins every 4 pixels.

    In four parts, as a tile shares its last pixels with its right, lower and diagonal neighbours.
    """
    back = back.view(6, 6, *_tiles(of_padded[region][:, :-4, :-4]).shape[2:])
    _tiles(of_padded[region][:, :-4, :-4]).add_(back[:4, :4])
    _tiles(of_padded[region][:, :-4, 4:])[:, :2].add_(back[:4, 4:])
    _tiles(of_padded[region][:, 4:, :-4])[:2].add_(back[4:, :4])
    _tiles(of_padded[region][:, 4:, 4:])[:2, :2].add_(back[4:, 4:])
