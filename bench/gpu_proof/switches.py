"""What `--without NAME` leaves out, to compare with a run that has it.

A new optimisation gets a line here: the environment variable or the settings by which it can be turned off.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Switch:
    """environment: variables for all processes of all stages. settings: `key=value` words for the step and the
    training."""

    meaning: str
    environment: dict[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()


SWITCHES = {
    "capture": Switch(
        "steps recorded as CUDA graphs: speed, profile and training take plain steps", settings=("capture.mode=none",)
    ),
    "tf32": Switch("TF32 in float32 convolutions and products", environment={"NVIDIA_TF32_OVERRIDE": "0"}),
}


def unknown(names: Iterable[str]) -> list[str]:
    """The names that are no switch."""
    return [name for name in names if name not in SWITCHES]


def environment(names: Iterable[str]) -> dict[str, str]:
    """The environment variables of the switches."""
    return {key: value for name in names for key, value in SWITCHES[name].environment.items()}


def settings(names: Iterable[str]) -> tuple[str, ...]:
    """The `key=value` words of the switches."""
    return tuple(word for name in names for word in SWITCHES[name].settings)
