"""What `--without NAME` leaves out, to compare with a run that has it.

A new optimisation gets a line here: its name in cartoon_dist/gpu/switch.py, an environment variable of its own, or the
settings by which it can be turned off.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from cartoon_dist.gpu.switch import VARIABLE, Optimisation


@dataclass(frozen=True)
class Switch:
    """environment: variables for all processes of all stages. settings: `key=value` words for the step and the
    training. optimisation: its name in cartoon_dist/gpu/switch.py, where it is one of those."""

    meaning: str
    environment: dict[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    optimisation: Optimisation | None = None


SWITCHES = {
    "capture": Switch(
        "steps recorded as CUDA graphs: speed, profile and training take plain steps", settings=("capture.mode=none",)
    ),
    "tf32": Switch("TF32 in float32 convolutions and products", environment={"NVIDIA_TF32_OVERRIDE": "0"}),
    "fused_norm": Switch("norm, activation, sum and padding as one operation", optimisation="fused_norm"),
    "fused_cbam": Switch("CBAM's poolings and products as one operation each", optimisation="fused_cbam"),
    "channels_last": Switch("maps and weights in NHWC", optimisation="channels_last"),
    "padded_channels": Switch("convolutions of 3 and 1 channels with 8 of them", optimisation="padded_channels"),
    "averaging_in_backward": Switch(
        "gradients averaged while the backward runs (several processes)", optimisation="averaging_in_backward"
    ),
    "keep": Switch("decoded sets kept in memory: training decodes every batch", settings=("data.keep=none",)),
}


def unknown(names: Iterable[str]) -> list[str]:
    """The names that are no switch."""
    return [name for name in names if name not in SWITCHES]


def environment(names: Iterable[str]) -> dict[str, str]:
    """The environment variables of the switches; those of cartoon_dist/gpu/switch.py together in its one variable."""
    chosen = [SWITCHES[name] for name in names]
    left_out = [switch.optimisation for switch in chosen if switch.optimisation]
    already = [name for name in os.environ.get(VARIABLE, "").split(",") if name]
    together = {VARIABLE: ",".join(dict.fromkeys([*already, *left_out]))} if left_out else {}
    return {key: value for switch in chosen for key, value in switch.environment.items()} | together


def settings(names: Iterable[str]) -> tuple[str, ...]:
    """The `key=value` words of the switches."""
    return tuple(word for name in names for word in SWITCHES[name].settings)
