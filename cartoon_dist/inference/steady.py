"""Steady light in a film: the statistics of whole frames, eased from frame to frame.

An instance norm divides each map by its own mean and variance over the whole frame, and CBAM weighs channels by their
mean and maximum over it. So whatever changes anywhere, noise or somebody who walks in, changes the colours everywhere.
Here these statistics s_t of frame t become e_t = p_t e_{t-1} + (1 - p_t) s_t. The generator is not changed: the methods
that measure them, or are given them, are replaced while `attached`, and a picture drawn outside of it is the same to
the bit.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from cartoon_dist.models.blocks import InstanceNorm
from cartoon_dist.models.cbam import CBAM

_Layer = InstanceNorm | CBAM
Ease = Callable[[Tensor], Tensor]
"""Statistics of a batch of frames, n k -> the eased ones."""
State = dict[str, Tensor]
"""e_t of each layer by its name: float64 on the CPU, one number a statistic."""
_eased_generators: WeakSet[nn.Module] = WeakSet()


def is_eased(generator: nn.Module) -> bool:
    """Whether the generator draws with eased statistics now."""
    return generator in _eased_generators


class SteadyStatistics:
    """The eased statistics of a generator: give it the frames in their order, in batches of any size.

    The result of a frame depends on the frames before it, not on how they were batched, up to rounding. Weights and
    state keep their places in memory, so that a GPU's drawing can be recorded with them.
    """

    def __init__(self, generator: nn.Module) -> None:
        self._generator = generator
        self._layers: dict[str, _Layer] = {
            name: module for name, module in generator.named_modules() if isinstance(module, (InstanceNorm, CBAM))
        }
        self._state: State = {}
        self._eased: dict[str, Tensor] = {}
        self._weights = torch.zeros(0)
        self._weights_by_size: dict[int, Tensor] = {}

    @property
    def has_layers(self) -> bool:
        """Whether the generator has any statistics of whole frames; without, it draws each pixel by what is near."""
        return bool(self._layers)

    @contextmanager
    def attached(self) -> Iterator[None]:
        """The generator draws with eased statistics, in one forward or in strips; `begin_batch` goes before each."""
        replaced: list[tuple[_Layer, str]] = []
        try:
            for name, layer in self._layers.items():
                method, eased = _eased_method(layer, partial(self._easing, name))
                setattr(layer, method, eased)
                replaced.append((layer, method))
            _eased_generators.add(self._generator)
            yield
        finally:
            _eased_generators.discard(self._generator)
            for layer, method in replaced:
                delattr(layer, method)

    def begin_batch(self, past_weights: Sequence[float]) -> None:
        """Before a batch: p_t of each of its frames, 0 for one that begins anew, as the first one must."""
        weights = torch.zeros(len(past_weights), len(past_weights) + 1, dtype=torch.float64)
        for index, past in enumerate(past_weights):  # row t: e_t as a sum of the state (column 0) and s_0 to s_t
            if index:
                weights[index] = past * weights[index - 1]
            else:
                weights[0, 0] = past
            weights[index, index + 1] = 1 - past
        device = next(self._generator.parameters()).device
        kept = self._weights_by_size.get(len(past_weights))
        if kept is None or kept.device != device:
            kept = self._weights_by_size[len(past_weights)] = torch.empty_like(weights, device=device)
        self._weights = kept.copy_(weights)
        self._eased = {}

    def state(self) -> State:
        """The statistics after the last frame, from which `restore` goes on exactly."""
        return {name: values.to("cpu", copy=True) for name, values in self._state.items()}

    def restore(self, state: State) -> None:
        """Go on after the frame at which `state` was taken."""
        for name in self._state.keys() | state.keys():
            if name not in self._state:
                self._state[name] = state[name].clone()
            else:
                self._state[name].copy_(state[name] if name in state else torch.zeros(()))

    def _easing(self, layer: str, kind: str) -> Ease:
        return partial(self._ease, f"{layer}.{kind}")

    def _ease(self, name: str, measured: Tensor) -> Tensor:
        """The statistics of a batch, n k, eased; float64. Strips ask for those of their frame again and again."""
        if name not in self._eased:
            values = measured.double()
            if name not in self._state:
                self._state[name] = torch.zeros_like(values[0])
            elif self._state[name].device != values.device:
                self._state[name] = self._state[name].to(values.device)
            before = self._state[name]
            self._eased[name] = eased = self._weights.to(values.device) @ torch.cat([before[None], values])
            before.copy_(eased[-1])
        return self._eased[name]


@dataclass(frozen=True, eq=False)
class NormParameters:
    """What an instance norm does after it has measured: by which weight, bias and epsilon."""

    weight: Tensor | None
    bias: Tensor | None
    epsilon: float


def eased_norm(features: Tensor, ease: Ease, norm: NormParameters) -> Tensor:
    """An instance norm of n c y x whose means and variances, n 2c, are eased."""
    if has_torch_function_unary(features):  # traced, for strips
        traced: Tensor = handle_torch_function(eased_norm, (features,), features, ease, norm)
        return traced
    # Of half precision the statistics would be rounded to it.
    variance, mean = torch.var_mean(
        features.to(torch.promote_types(features.dtype, torch.float32)), (2, 3), correction=0
    )
    mean, variance = ease(torch.cat([mean, variance], 1)).chunk(2, 1)
    scale = (variance + norm.epsilon).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean * scale if norm.bias is None else norm.bias - mean * scale
    shift, scale = (values.to(features.dtype)[:, :, None, None] for values in (shift, scale))
    return torch.addcmul(shift, features, scale)


def eased_pixel(pixel: Tensor, ease: Ease) -> Tensor:
    """One value a channel, n c 1 1, eased."""
    if has_torch_function_unary(pixel):
        traced: Tensor = handle_torch_function(eased_pixel, (pixel,), pixel, ease)
        return traced
    return ease(pixel[:, :, 0, 0]).to(pixel.dtype)[:, :, None, None]


def _eased_method(layer: nn.Module, ease: Callable[[str], Ease]) -> tuple[str, Callable[..., Any]]:
    """The name of the method that measures whole frames, or is given what was measured; and the one to put in its
    place."""
    if isinstance(layer, CBAM):
        ease_average, ease_peak = ease("average"), ease("peak")

        def eased(average: Tensor, peak: Tensor) -> tuple[Tensor, Tensor]:
            return eased_pixel(average, ease_average), eased_pixel(peak, ease_peak)

        return "eased", eased
    assert isinstance(layer, InstanceNorm)
    ease_moments, norm = ease("moments"), NormParameters(layer.weight, layer.bias, layer.eps)

    def forward(features: Tensor, *, residual: Tensor | None = None, reflect: int = 0) -> Tensor:
        return layer.after(eased_norm(features, ease_moments, norm), residual=residual, reflect=reflect)

    return "forward", forward
