"""A network's own forward, run on maps that are not there yet: what comes out is not a drawing but how to make one.

`Traced` is a tensor with a shape and without numbers. The functions that the networks call are answered by noting down
the map that they would make (evaluate.row_maps), so the forward is written once, in models, however it is wired.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.inference.row_maps import (
    Bordered,
    Convolved,
    Doubled,
    Halved,
    Normalised,
    Pointwise,
    Pooled,
    Reflected,
    RowMap,
    Surrounding,
)

Function = Callable[..., Any]
Arguments = Sequence[Any]
Named = Mapping[str, Any]


class Traced(Tensor):
    """Stands for maps 1 c y x while a forward is traced; `row_map` says how they are made."""

    row_map: RowMap

    @classmethod
    def __torch_function__(
        cls, func: Function, types: Sequence[type], args: Arguments = (), kwargs: Named | None = None
    ) -> Any:
        """Note down the map that the function would make; what only asks for the shape is answered at once."""
        with torch._C.DisableTorchFunctionSubclass():
            if func in _QUESTIONS or getattr(func, "__name__", "") == "__get__":
                return func(*args, **(kwargs or {}))
            rule = _RULES.get(func)
            if rule is None:
                raise NotImplementedError(f"{func}: the strips have no rule for it; add one to inference/tracing.py")
            return traced(rule(func, args, kwargs or {}), _stand_ins(args)[0].dtype)


def traced(row_map: RowMap, dtype: torch.dtype) -> Traced:
    """The stand-in of a map whose numbers will be of this type."""
    # One number in memory, whatever the shape. A tensor on the meta device would do, at 160 MB of imports.
    shaped = torch.empty((), dtype=dtype).expand(1, row_map.channels, row_map.height, row_map.width)
    stand_in = shaped.as_subclass(Traced)
    stand_in.row_map = row_map
    return stand_in


def _stand_ins(args: Arguments) -> list[Traced]:
    flat = [value for arg in args for value in (arg if isinstance(arg, (list, tuple)) else [arg])]
    return [value for value in flat if isinstance(value, Traced)]


def _replaced(value: Any, by: Callable[[Tensor], Any]) -> Any:
    """Arguments with each tensor in them replaced."""
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(one, by) for one in value)
    return by(value) if isinstance(value, Tensor) else value


def _pointwise(function: Function, args: Arguments, kwargs: Named, *, channels: int | None = None) -> RowMap:
    """A function of each pixel; as many channels come out as go in unless said otherwise."""
    sources = [stand_in.row_map for stand_in in _stand_ins(args)]
    height, width = (max(getattr(source, side) for source in sources) for side in ("height", "width"))
    shape = (channels or max(source.channels for source in sources), height, width)
    # What is noted down must not hold on to a stand-in: through its map, it would keep all that this one is made of.
    blanks = _replaced(list(args), lambda tensor: _BLANK if isinstance(tensor, Traced) else tensor)

    def apply(rows: list[Tensor]) -> Tensor:
        left = iter(rows)
        filled = _replaced(blanks, lambda tensor: next(left) if tensor is _BLANK else tensor)
        return cast(Tensor, function(*filled, **kwargs))

    return Pointwise(shape, sources, apply)


def _over_places_or_channels(function: Function, args: Arguments, kwargs: Named) -> RowMap:
    """The mean or the largest value: of the whole map, or over the channels of each pixel."""
    source, dimensions = args
    if dimensions == 1:
        return _pointwise(function, args, kwargs, channels=1)
    assert dimensions == (2, 3), dimensions
    return Pooled(source.row_map, "mean" if function is Tensor.mean else "peak", source.dtype)


def _concatenated(function: Function, args: Arguments, kwargs: Named) -> RowMap:
    assert args[1:] == (1,), args[1:]
    return _pointwise(function, args, kwargs, channels=sum(part.shape[1] for part in args[0]))


def _normalised(_function: Function, args: Arguments, kwargs: Named) -> RowMap:
    [source] = args
    assert kwargs["use_input_stats"], kwargs
    return Normalised(source.row_map, weight=kwargs["weight"], bias=kwargs["bias"], epsilon=kwargs["eps"])


def _reflected(_function: Function, args: Arguments, kwargs: Named) -> RowMap:
    source, (left, right, above, below) = args
    assert kwargs.get("mode", "constant") in ("reflect", "constant"), kwargs
    kind = Reflected if kwargs.get("mode") == "reflect" else Bordered
    return kind(source.row_map, rows=(above, below), columns=(left, right))


def _convolved(_function: Function, args: Arguments, _kwargs: Named) -> RowMap:
    source, weight, bias, (stride, _), (padding, _), dilation, groups = args
    assert dilation == (1, 1), dilation
    return Convolved(source.row_map, weight, bias, stride=stride, padding=padding, groups=groups)


def _transposed(function: Function, args: Arguments, kwargs: Named) -> RowMap:
    source, weight, *rest = args
    # So that row y is made of row y // 2 and, where y is odd, of the next.
    assert (tuple(weight.shape[2:]), *rest[1:]) == ((3, 3), (2, 2), (1, 1), (1, 1), 1, (1, 1)), rest[1:]

    def apply(rows: Tensor) -> Tensor:
        return cast(Tensor, function(rows, weight, *rest, **kwargs))

    return Doubled(source.row_map, apply, channels=weight.shape[1], behind=0, ahead=1)


def _interpolated(function: Function, args: Arguments, kwargs: Named) -> RowMap:
    [source] = args
    assert kwargs["mode"] in ("nearest", "bilinear"), kwargs
    assert (kwargs["scale_factor"], bool(kwargs.get("align_corners"))) == (2.0, False), kwargs
    around = int(kwargs["mode"] == "bilinear")

    def apply(rows: Tensor) -> Tensor:
        return cast(Tensor, function(rows, **kwargs))

    return Doubled(source.row_map, apply, channels=source.shape[1], behind=around, ahead=around)


def _averaged(function: Function, args: Arguments, kwargs: Named) -> RowMap:
    source, kernel = args

    def apply(rows: Tensor) -> Tensor:
        return cast(Tensor, function(rows, kernel, **kwargs))

    if (kernel, kwargs) == (2, {}):
        return Halved(source.row_map, apply)
    around = kernel // 2
    assert kwargs == {"stride": 1, "padding": around, "count_include_pad": False}, kwargs
    return Surrounding(source.row_map, apply, around=around)


_BLANK = torch.empty(0)
_QUESTIONS: frozenset[Function] = frozenset({Tensor.dim, Tensor.size})
_RULES: dict[Function, Callable[[Function, Arguments, Named], RowMap]] = {
    functional.pad: _reflected,
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
    Tensor.mean: _over_places_or_channels,
    Tensor.amax: _over_places_or_channels,
}
