"""CBAM's poolings and products: F is read once for each, and F' = Mc * F is written nowhere.

On a GPU, for maps in channels_last. Forward: the poolings of F over places, those of F' over channels, and
F'' = Ms * Mc * F. Backward: the gradients of Ms and of Mc by the product, that of Mc by the poolings over channels, and
at last the gradient of F by all of its uses in one pass. A largest value that several have divides its gradient among
them evenly, as torch's `amax` does. The small networks between the operations stay torch's.

The gradient of F has to wait for the one of the poolings over places, which comes last: until then the backwards of the
other uses leave for it what it will need (`_Left`), and pass on an empty gradient that keeps the order.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cartoon_dist.gpu import cbam_by_torch, fused_operations
from cartoon_dist.gpu.cbam_by_torch import PooledPlaces, Used
from cartoon_dist.gpu.work_split import MOST_WHOLE_CHANNELS


def is_taken(maps: Tensor) -> bool:
    """Whether `Attention` is to be used for these maps, n c y x; if not, torch's operations."""
    return fused_operations.is_taken(maps, "fused_cbam") and maps.numel() > 0 and maps.shape[1] <= MOST_WHOLE_CHANNELS


class Attention:
    """The operations on maps F, n c y x, to be called once each and in this order."""

    def __init__(self, maps: Tensor) -> None:
        self._maps, self._left = maps, _Left()

    def over_places(self) -> tuple[Tensor, Tensor]:
        """The mean and the largest value of each map, n c 1 1 each."""
        average, peak, self._order = _Places.apply(self._maps, self._left)
        return average, peak

    def over_channels(self, of_channels: Tensor) -> Tensor:
        """The mean and the largest value over the channels of F' = Mc * F, n 2 y x; of_channels: Mc, n c 1 1."""
        pooled, self._order = _Channels.apply(self._order, self._maps, of_channels, self._left)
        return pooled

    def product(self, of_channels: Tensor, of_places: Tensor) -> Tensor:
        """F'' = Ms * F', n c y x; of_places: Ms, n 1 y x."""
        result: Tensor = _Product.apply(self._order, self._maps, of_channels, of_places, self._left)
        return result


class _Left:
    """What the backwards leave for the gradient of F: tensors without a graph, or the graph would hold itself."""

    of_product: tuple[Tensor, Tensor, Tensor] | None = None
    of_channels: tuple[Tensor, Tensor] | None = None

    def take(self) -> Used | None:
        """All of it; None where no gradient of F'' came."""
        of_product, of_channels = self.of_product, self.of_channels
        self.of_product = self.of_channels = None
        return None if of_product is None else Used(*of_product, *(of_channels or (None, None)))


class _Places(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, left: _Left) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, largest value, and an empty tensor that goes through all operations on F."""
        average, peak, counts = _places(maps)
        ctx.save_for_backward(maps, peak, counts)
        ctx.left = left
        ctx.set_materialize_grads(False)
        return average, peak, maps.new_empty(0)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_average: Tensor | None, of_peak: Tensor | None, _: Tensor | None
    ) -> tuple[Tensor | None, None]:
        maps, peak, counts = ctx.saved_tensors
        used = ctx.left.take()
        if used is None:
            return None, None
        if of_average is None and of_peak is None:
            return _maps_gradient(maps, *used, None, None, None, None), None
        of_average, of_peak = (torch.zeros_like(peak) if one is None else one for one in (of_average, of_peak))
        return _maps_gradient(maps, *used, of_average, of_peak, peak, counts), None


class _Channels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, order: Tensor, maps: Tensor, of_channels: Tensor, left: _Left) -> tuple[Tensor, Tensor]:
        pooled = _channels(maps, of_channels)
        ctx.save_for_backward(maps, of_channels, pooled)
        ctx.left = left
        ctx.set_materialize_grads(False)
        return pooled, order.new_empty(0)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_pooled: Tensor | None, of_order: Tensor | None
    ) -> tuple[Tensor | None, None, Tensor | None, None]:
        if of_pooled is None:
            return of_order, None, None, None
        maps, of_channels, pooled = ctx.saved_tensors
        if ctx.needs_input_grad[0]:
            ctx.left.of_channels = of_pooled, pooled.detach()
        of_of_channels = _channels_sums(of_pooled, maps, of_channels, pooled) if ctx.needs_input_grad[2] else None
        return of_pooled.new_empty(0), None, of_of_channels, None


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        _: Tensor,
        maps: Tensor,
        of_channels: Tensor,
        of_places: Tensor,
        left: _Left,
    ) -> Tensor:
        ctx.save_for_backward(maps, of_channels, of_places)
        ctx.left = left
        return _product(maps, of_channels, of_places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_result: Tensor) -> tuple[Tensor, None, Tensor, Tensor, None]:
        maps, of_channels, of_places = ctx.saved_tensors
        if ctx.needs_input_grad[0]:
            ctx.left.of_product = of_result, of_channels.detach(), of_places.detach()
        of_of_places, of_of_channels = _product_sums(of_result, maps, of_channels, of_places)
        return of_result.new_empty(0), None, of_of_channels, of_of_places, None


@torch.library.custom_op("cartoon_dist::cbam_places", mutates_args=())
def _places(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return cbam_by_torch.places(maps)


@torch.library.custom_op("cartoon_dist::cbam_channels", mutates_args=())
def _channels(maps: Tensor, of_channels: Tensor) -> Tensor:
    return cbam_by_torch.channels(maps, of_channels)


@torch.library.custom_op("cartoon_dist::cbam_product", mutates_args=())
def _product(maps: Tensor, of_channels: Tensor, of_places: Tensor) -> Tensor:
    return cbam_by_torch.product(maps, of_channels, of_places)


@torch.library.custom_op("cartoon_dist::cbam_product_sums", mutates_args=())
def _product_sums(of_result: Tensor, maps: Tensor, of_channels: Tensor, of_places: Tensor) -> tuple[Tensor, Tensor]:
    return cbam_by_torch.product_sums(of_result, maps, of_channels, of_places)


@torch.library.custom_op("cartoon_dist::cbam_channels_sums", mutates_args=())
def _channels_sums(of_pooled: Tensor, maps: Tensor, of_channels: Tensor, pooled: Tensor) -> Tensor:
    return cbam_by_torch.channels_sums(of_pooled, maps, of_channels, pooled)


@torch.library.custom_op("cartoon_dist::cbam_maps_gradient", mutates_args=())
def _maps_gradient(
    maps: Tensor,
    of_result: Tensor,
    of_channels: Tensor,
    of_places: Tensor,
    of_pooled: Tensor | None,
    pooled: Tensor | None,
    of_average: Tensor | None,
    of_peak: Tensor | None,
    peak: Tensor | None,
    counts: Tensor | None,
) -> Tensor:
    used = Used(of_result, of_channels, of_places, of_pooled, pooled)
    return cbam_by_torch.maps_gradient(maps, used, _pooled_places(of_average, of_peak, peak, counts))


def _pooled_places(*tensors: Tensor | None) -> PooledPlaces | None:
    return PooledPlaces(*given) if len(given := [tensor for tensor in tensors if tensor is not None]) == 4 else None


@_places.register_kernel("cuda")
def _(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    from cartoon_dist.gpu import cbam_by_triton

    return cbam_by_triton.places(maps)


@_channels.register_kernel("cuda")
def _(maps: Tensor, of_channels: Tensor) -> Tensor:
    from cartoon_dist.gpu import cbam_by_triton

    return cbam_by_triton.channels(maps, of_channels)


@_product.register_kernel("cuda")
def _(maps: Tensor, of_channels: Tensor, of_places: Tensor) -> Tensor:
    from cartoon_dist.gpu import cbam_by_triton

    return cbam_by_triton.product(maps, of_channels, of_places)


@_product_sums.register_kernel("cuda")
def _(of_result: Tensor, maps: Tensor, of_channels: Tensor, of_places: Tensor) -> tuple[Tensor, Tensor]:
    from cartoon_dist.gpu import cbam_by_triton

    return cbam_by_triton.product_sums(of_result, maps, of_channels, of_places)


@_channels_sums.register_kernel("cuda")
def _(of_pooled: Tensor, maps: Tensor, of_channels: Tensor, pooled: Tensor) -> Tensor:
    from cartoon_dist.gpu import cbam_by_triton

    return cbam_by_triton.channels_sums(of_pooled, maps, of_channels, pooled)


@_maps_gradient.register_kernel("cuda")
def _(
    maps: Tensor,
    of_result: Tensor,
    of_channels: Tensor,
    of_places: Tensor,
    of_pooled: Tensor | None,
    pooled: Tensor | None,
    of_average: Tensor | None,
    of_peak: Tensor | None,
    peak: Tensor | None,
    counts: Tensor | None,
) -> Tensor:
    from cartoon_dist.gpu import cbam_by_triton

    used = Used(of_result, of_channels, of_places, of_pooled, pooled)
    return cbam_by_triton.maps_gradient(maps, used, _pooled_places(of_average, of_peak, peak, counts))


@_places.register_fake
def _(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    pixel = (*maps.shape[:2], 1, 1)
    return maps.new_empty(pixel), maps.new_empty(pixel), maps.new_empty(pixel, dtype=torch.float32)


@_channels.register_fake
def _(maps: Tensor, of_channels: Tensor) -> Tensor:  # noqa: ARG001
    return fused_operations.empty_maps((maps.shape[0], 2, *maps.shape[2:]), maps)


@_product.register_fake
def _(maps: Tensor, of_channels: Tensor, of_places: Tensor) -> Tensor:  # noqa: ARG001
    return fused_operations.empty_maps(maps.shape, maps)


@_product_sums.register_fake
def _(of_result: Tensor, maps: Tensor, of_channels: Tensor, of_places: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return maps.new_empty((maps.shape[0], 1, *maps.shape[2:])), maps.new_empty((*maps.shape[:2], 1, 1))


@_channels_sums.register_fake
def _(of_pooled: Tensor, maps: Tensor, of_channels: Tensor, pooled: Tensor) -> Tensor:  # noqa: ARG001
    return maps.new_empty((*maps.shape[:2], 1, 1))


@_maps_gradient.register_fake
def _(maps: Tensor, *_: Tensor | None) -> Tensor:
    return fused_operations.empty_maps(maps.shape, maps)
