"""The ways to start a training, the fast one first: what fails on a GPU must not cost the minutes."""

from typing import NamedTuple

from cartoon_dist.gpu import switch


class Start(NamedTuple):
    """words: settings. environment: variables of the process."""

    name: str
    words: tuple[str, ...]
    environment: dict[str, str]


def _without(*names: switch.Optimisation) -> dict[str, str]:
    return {switch.VARIABLE: ",".join(names)}


STARTS = (
    Start("captured, all optimisations", (), {}),
    Start("plain steps, all optimisations", ("capture.mode=none",), {}),
    Start(
        "plain steps, no optimisation",
        ("capture.mode=none",),
        _without("fused_norm", "fused_cbam", "channels_last", "padded_channels", "averaging_in_backward"),
    ),
)
"""A probe goes down the list until one works; a training that fails goes on with the next, from its checkpoint."""
