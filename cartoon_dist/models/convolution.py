"""The networks' convolution: the fastest way that the device has, the same numbers up to rounding on all of them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.cpu import narrow_conv, winograd
from cartoon_dist.gpu import layout
from cartoon_dist.gpu.fused_padding import reflection_pad


class Convolution(nn.Conv2d):
    """A convolution that uses the fastest algorithm on CPU while gradients are computed. With reflection, the padding
    is half the kernel.

    Elsewhere it is torch's own, which GPUs, exporters and strips (inference/tracing.py) support. On a GPU few channels
    are filled up with zeros (gpu/layout.py).

    before_norm: an instance norm follows at once, and takes away whatever is added to a whole map. So the bias is not
    added at all: it stays a parameter, with a gradient of exactly zero.
    """

    before_norm = False

    def forward(self, input: Tensor, *, padded: bool = False) -> Tensor:
        """Maps n c y x -> n c' y/s x/s. padded: the maps come with the reflected border already around them."""
        return self.convolve_with(input, self.weight, padded=padded)

    def convolve_with(self, input: Tensor, weight: Tensor, *, padded: bool = False) -> Tensor:
        """The forward with another weight of the same shape."""
        bias = self.bias
        if bias is not None and self.before_norm:
            weight, bias = _without_bias(weight, bias), None
        reflect = self.padding_mode == "reflect"
        edges = (self.kernel_size[1] // 2,) * 2 + (self.kernel_size[0] // 2,) * 2
        if padded:
            assert reflect, "only a reflected border is made by others"
            return self._convolve(input, weight, bias, padding=(0, 0))
        if self.groups == 1 and torch.is_grad_enabled() and (input.requires_grad or weight.requires_grad):
            if winograd.is_faster(input, weight, self.stride):
                return winograd.winograd_convolution(input, weight, bias, reflect=reflect)
            if narrow_conv.is_faster(input, weight, self.stride):
                around = functional.pad(input, edges, mode="reflect" if reflect else "constant")
                return narrow_conv.narrow_convolution(around, weight, bias)
        if reflect:
            return self._convolve(reflection_pad(input, edges), weight, bias, padding=(0, 0))
        return self._convolve(input, weight, bias, padding=self.padding)

    def _convolve(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, *, padding: str | tuple[int, ...]
    ) -> Tensor:
        """With zeros as padding, and on a GPU with enough channels."""
        few = _has_few_channels(weight, self.groups, input.device)
        if few:
            num = len(weight)
            input, weight, bias = filled_up(input, weight, bias)
        maps = functional.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)
        return first_channels(maps, num) if few else maps


def filled_up(maps: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Maps, weight and bias of a convolution with channels of zeros up to `WIDE_ENOUGH`, on either side that has
    fewer: the first channels of the result are the same."""
    more_out, more_in = (max(0, layout.WIDE_ENOUGH - num) for num in weight.shape[:2])
    weight = functional.pad(weight, (0, 0, 0, 0, 0, more_in, 0, more_out))
    if more_in:
        maps = _MoreChannels.apply(maps, layout.WIDE_ENOUGH)
    if more_out and bias is not None:
        bias = functional.pad(bias, (0, more_out))
    return maps, weight, bias


def first_channels(maps: Tensor, num: int) -> Tensor:
    """The first `num` channels of maps that lie in NHWC; the gradient lies so too."""
    if num == maps.shape[1]:
        return maps
    first: Tensor = _FirstChannels.apply(maps, num)
    return first


def _has_few_channels(weight: Tensor, groups: int, device: torch.device) -> bool:
    return groups == 1 and min(weight.shape[:2]) < layout.WIDE_ENOUGH and layout.pads_channels(device)


def _without_bias(weight: Tensor, bias: Tensor) -> Tensor:
    """The weight alone; in the backward the bias gets a gradient of zeros. None would not do: processes average every
    gradient."""
    if not (torch.is_grad_enabled() and bias.requires_grad):
        return weight
    alone: Tensor = _WithoutBias.apply(weight, bias)
    return alone


class _WithoutBias(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.shape = bias.shape
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, gradient.new_zeros(ctx.shape)


class _FirstChannels(torch.autograd.Function):
    """torch's own slice makes a gradient in NCHW."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, num: int) -> Tensor:
        ctx.channels = maps.shape[1]
        return _fewer(maps, num)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _more(gradient, ctx.channels), None


class _MoreChannels(torch.autograd.Function):
    """Zeros after the channels; torch's own padding asks maps of one channel for their layout."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, num: int) -> Tensor:
        ctx.channels = maps.shape[1]
        return _more(maps, num)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _fewer(gradient, ctx.channels), None


def _fewer(maps: Tensor, num: int) -> Tensor:
    return maps[:, :num].clone(memory_format=layout.memory_format(maps.device))


def _more(maps: Tensor, num: int) -> Tensor:
    pictures, channels, height, width = maps.shape
    whole = torch.empty(
        (pictures, num, height, width),
        dtype=maps.dtype,
        device=maps.device,
        memory_format=layout.memory_format(maps.device),
    )
    whole[:, :channels].copy_(maps)
    whole[:, channels:].zero_()
    return whole
