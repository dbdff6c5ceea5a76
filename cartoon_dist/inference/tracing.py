"""Traces a network's own forward on tensors without values: the result is a graph of row maps, not a picture.

`Traced` is a tensor with a shape and without values. Each function that a network calls on it records the map that it
would compute (inference.row_maps), so the forward is written once, in models, however it is wired.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.inference.doubled import doubled_and_convolved
from cartoon_dist.inference.row_maps import (
    SOURCE,
    Call,
    Convolved,
    Downsampled,
    Normalised,
    Pointwise,
    Pooled,
    ReflectionPadded,
    RowMap,
    Upsampled,
    Windowed,
    ZeroPadded,
)
from cartoon_dist.inference.steady import NormParameters, eased_norm, eased_pixel
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.tensors import Bytes, Images

Function = Callable[..., Any]
Arguments = Sequence[Any]
Kwargs = Mapping[str, Any]


class Traced(Tensor):
    """Stands for a map 1 c y x while a forward is traced; `row_map` says how it is computed."""

    row_map: RowMap

    @classmethod
    def __torch_function__(
        cls, func: Function, types: Sequence[type], args: Arguments = (), kwargs: Kwargs | None = None
    ) -> Any:
        """Record the map that the function would compute; a query of the shape is answered at once."""
        with torch._C.DisableTorchFunctionSubclass():
            if func in _SHAPE_QUERIES or getattr(func, "__name__", "") == "__get__":
                return func(*args, **(kwargs or {}))
            rule = _RULES.get(func)
            if rule is None:
                raise NotImplementedError(f"{func}: the strips have no rule for it; add one to inference/tracing.py")
            made = rule(func, args, kwargs or {})
            if made.call is None:
                made.call = Call(func, _without_traced(args), kwargs or {})
            return traced(made, _traced_arguments(args)[0].dtype)


def traced(row_map: RowMap, dtype: torch.dtype) -> Traced:
    """The traced tensor of a map whose values will be of this type."""
    # One number in memory, whatever the shape. A tensor on the meta device would do too, but imports 160 MB.
    shaped = torch.empty((), dtype=dtype).expand(1, row_map.channels, row_map.height, row_map.width)
    tensor = shaped.as_subclass(Traced)
    tensor.row_map = row_map
    return tensor


def trace(generator: nn.Module, photo: Images | Bytes) -> RowMap:
    """The map of the generator's drawing of one photo, 1 3 h w; of bytes, as of float32."""
    _, channels, height, width = photo.shape
    source = RowMap((channels, height, width), [], whole=photo)
    output: GeneratorOutput = generator(traced(source, photo.dtype if photo.is_floating_point() else torch.float32))
    assert isinstance(output.generated, Traced)
    return output.generated.row_map


def ordered(roots: Iterable[RowMap]) -> list[RowMap]:
    """These maps and all they are computed from, sources first; a map that is stored needs no sources."""
    order: dict[RowMap, None] = {}
    waiting = [(row_map, False) for row_map in roots]
    while waiting:
        row_map, is_ready = waiting.pop()
        if is_ready:
            order[row_map] = None
        elif row_map not in order:
            waiting.append((row_map, True))
            if row_map.stored is None:
                waiting += [(source, False) for source in reversed(row_map.sources) if source not in order]
    return list(order)


def _traced_arguments(args: Arguments) -> list[Traced]:
    flat = [value for arg in args for value in (arg if isinstance(arg, (list, tuple)) else [arg])]
    return [value for value in flat if isinstance(value, Traced)]


def _replaced(value: Any, by: Callable[[Tensor], Any]) -> Any:
    """Arguments with each tensor in them replaced."""
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(item, by) for item in value)
    return by(value) if isinstance(value, Tensor) else value


def _without_traced(args: Arguments) -> list[Any]:
    """The arguments with SOURCE for each traced tensor, whose map would keep all of its sources in memory."""
    return cast(list[Any], _replaced(list(args), lambda tensor: SOURCE if isinstance(tensor, Traced) else tensor))


def _pointwise(function: Function, args: Arguments, kwargs: Kwargs, *, channels: int | None = None) -> RowMap:
    """A function of each pixel; as many channels come out as go in unless said otherwise."""
    sources = [tensor.row_map for tensor in _traced_arguments(args)]
    height, width = (max(getattr(source, side) for source in sources) for side in ("height", "width"))
    shape = (channels or max(source.channels for source in sources), height, width)
    arguments = _without_traced(args)

    def apply(rows: list[Tensor]) -> Tensor:
        remaining = iter(rows)
        filled = _replaced(arguments, lambda tensor: next(remaining) if tensor is SOURCE else tensor)
        return cast(Tensor, function(*filled, **kwargs))

    return Pointwise(shape, sources, apply)


def _reduced(function: Function, args: Arguments, kwargs: Kwargs) -> RowMap:
    """The mean or the largest value: of the whole map, or over the channels of each pixel."""
    source, dimensions = args
    if dimensions == 1:
        return _pointwise(function, args, kwargs, channels=1)
    assert dimensions == (2, 3), dimensions
    return Pooled(source.row_map, "mean" if function is Tensor.mean else "maximum", source.dtype)


def _concatenated(function: Function, args: Arguments, kwargs: Kwargs) -> RowMap:
    assert args[1:] == (1,), args[1:]
    return _pointwise(function, args, kwargs, channels=sum(part.shape[1] for part in args[0]))


def _normalised(_function: Function, args: Arguments, kwargs: Kwargs) -> RowMap:
    [source] = args
    assert kwargs["use_input_stats"], kwargs
    return Normalised(source.row_map, weight=kwargs["weight"], bias=kwargs["bias"], epsilon=kwargs["eps"])


def _eased_norm(_function: Function, args: Arguments, _kwargs: Kwargs) -> RowMap:
    source, ease, norm = args
    assert isinstance(norm, NormParameters)
    return Normalised(source.row_map, weight=norm.weight, bias=norm.bias, epsilon=norm.epsilon, ease=ease)


def _padded(_function: Function, args: Arguments, kwargs: Kwargs) -> RowMap:
    source, (left, right, above, below) = args
    assert kwargs.get("mode", "constant") in ("reflect", "constant"), kwargs
    kind = ReflectionPadded if kwargs.get("mode") == "reflect" else ZeroPadded
    return kind(source.row_map, rows=(above, below), columns=(left, right))


def _convolved(_function: Function, args: Arguments, kwargs: Kwargs) -> RowMap:
    assert not kwargs, kwargs
    defaults: Arguments = (None, 1, 0, 1, 1)
    source, weight, bias, strides, paddings, dilations, groups = [*args, *defaults[len(args) - 2 :]]
    stride, padding, dilation = (one[0] if isinstance(one, tuple) else one for one in (strides, paddings, dilations))
    assert dilation == 1, dilation
    row_map = source.row_map
    if row_map.call is not None and row_map.call.function is torch.cat and weight.shape[2:] == (1, 1):
        return _convolved_parts(row_map.sources, weight, bias, stride)
    if (tuple(weight.shape[2:]), stride, groups) == ((3, 3), 1, 1):
        is_mirrored = isinstance(row_map, ReflectionPadded) and row_map.rows == row_map.columns == (1, 1)
        inner = row_map.sources[0] if is_mirrored else row_map
        if _is_doubled(inner) and padding == 1 - is_mirrored:
            return _doubled_and_convolved(inner.sources[0], weight, bias, is_mirrored=is_mirrored)
    return Convolved(row_map, weight, bias, stride=stride, padding=padding, groups=groups)


def _convolved_parts(parts: Sequence[RowMap], weight: Tensor, bias: Tensor | None, stride: int) -> RowMap:
    """A 1x1 convolution of concatenated maps, as a sum of one of each: nothing is concatenated."""
    weights = weight.split([part.channels for part in parts], 1)
    total: RowMap = Convolved(parts[0], weights[0], bias, stride=stride, padding=0, groups=1)
    for part, its_weight in zip(parts[1:], weights[1:], strict=True):
        summand = Convolved(part, its_weight, None, stride=stride, padding=0, groups=1)
        shape = (total.channels, total.height, total.width)
        total = Pointwise(shape, [total, summand], lambda rows: rows[0] + rows[1])
        total.call = Call(Tensor.add, [SOURCE, SOURCE], {})
    return total


def _is_doubled(row_map: RowMap) -> bool:
    """Whether it is a map with twice the rows and columns of its source, by nearest neighbour."""
    call = row_map.call
    return call is not None and call.function is functional.interpolate and call.keywords["mode"] == "nearest"


def _doubled_and_convolved(source: RowMap, weight: Tensor, bias: Tensor | None, *, is_mirrored: bool) -> RowMap:
    """As one map, which onnxruntime computes with less than half of the products."""

    def apply(rows: Tensor) -> Tensor:
        return doubled_and_convolved(rows, weight, bias, is_mirrored=is_mirrored)

    made = Upsampled(source, apply, channels=weight.shape[0], above=1, below=1)
    made.products = 4 * source.channels
    made.call = Call(doubled_and_convolved, [SOURCE, weight, bias], {"is_mirrored": is_mirrored})
    return made


def _transposed(function: Function, args: Arguments, kwargs: Kwargs) -> RowMap:
    source, weight, *rest = args
    # With these, row y is computed from row y // 2 and, where y is odd, from the next.
    assert (tuple(weight.shape[2:]), *rest[1:]) == ((3, 3), (2, 2), (1, 1), (1, 1), 1, (1, 1)), rest[1:]

    def apply(rows: Tensor) -> Tensor:
        return cast(Tensor, function(rows, weight, *rest, **kwargs))

    made = Upsampled(source.row_map, apply, channels=weight.shape[1], above=0, below=1)
    made.products = source.shape[1] * 9 // 4
    return made


def _interpolated(function: Function, args: Arguments, kwargs: Kwargs) -> RowMap:
    [source] = args
    assert kwargs["mode"] in ("nearest", "bilinear"), kwargs
    assert (kwargs["scale_factor"], bool(kwargs.get("align_corners"))) == (2.0, False), kwargs
    around = int(kwargs["mode"] == "bilinear")

    def apply(rows: Tensor) -> Tensor:
        return cast(Tensor, function(rows, **kwargs))

    return Upsampled(source.row_map, apply, channels=source.shape[1], above=around, below=around)


def _averaged(function: Function, args: Arguments, kwargs: Kwargs) -> RowMap:
    source, kernel = args

    def apply(rows: Tensor) -> Tensor:
        return cast(Tensor, function(rows, kernel, **kwargs))

    if (kernel, kwargs) == (2, {}):
        return Downsampled(source.row_map, apply)
    around = kernel // 2
    assert kwargs == {"stride": 1, "padding": around, "count_include_pad": False}, kwargs
    return Windowed(source.row_map, apply, around=around)


_SHAPE_QUERIES: frozenset[Function] = frozenset({Tensor.dim, Tensor.size})
_RULES: dict[Function, Callable[[Function, Arguments, Kwargs], RowMap]] = {
    functional.pad: _padded,
    functional.conv2d: _convolved,
    functional.conv_transpose2d: _transposed,
    functional.interpolate: _interpolated,
    functional.instance_norm: _normalised,
    functional.avg_pool2d: _averaged,
    functional.relu: _pointwise,
    functional.leaky_relu: _pointwise,
    torch.tanh: _pointwise,
    Tensor.tanh: _pointwise,
    torch.sigmoid: _pointwise,
    Tensor.add: _pointwise,
    Tensor.mul: _pointwise,
    Tensor.sub: _pointwise,
    Tensor.div: _pointwise,
    Tensor.to: _pointwise,
    torch.cat: _concatenated,
    eased_norm: _eased_norm,
    eased_pixel: _pointwise,
    Tensor.mean: _reduced,
    Tensor.amax: _reduced,
}
