"""What is hoped for, beside what was measured: the goals of a step, and what each optimisation should be worth.

Estimates come from the profile of 2026-11-26 (docs/gpu/2026-11-26-h100-by-hand.jsonl): batch 8, bf16, 56.4 ms captured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.gpu_proof.record import Line

EVERYTHING, NOTHING = "everything", "none of them"
"""Names of the ways of the stage `switches`."""
Read = Callable[[Sequence[Line]], float | None]


@dataclass(frozen=True)
class Goal:
    """before: what the first run on a GPU measured. limit: the goal; at_least: it is a lower bound."""

    what: str
    before: str
    limit: float
    unit: str
    read: Read
    at_least: bool = False

    def verdict(self, value: float | None) -> str:
        """`reached`, `not reached`, or nothing where it was not measured."""
        if value is None:
            return ""
        return "reached" if (value >= self.limit if self.at_least else value <= self.limit) else "not reached"

    @property
    def asked(self) -> str:
        """In words."""
        return f"at {'least' if self.at_least else 'most'} {self.limit:g} {self.unit}"


def _step(batch_size: int, precision: str, field: str) -> Read:
    """A figure of the captured step, out of the stage `speed`."""

    def read(lines: Sequence[Line]) -> float | None:
        wanted = {"part": "cell", "stage": "speed", "batch_size": batch_size, "precision": precision}
        cells = [line for line in lines if (wanted | {"kind": "iteration"}).items() <= line.items()]
        values = [cell[field] for cell in cells if cell.get(field) is not None]
        return float(values[-1]) if values else None

    return read


def _waits(lines: Sequence[Line]) -> float | None:
    values = [line["data_wait_percent"] for line in lines if line.get("part") == "input" and line["keep"] != "none"]
    return min(values) if values else None


GOALS = (
    Goal("batch 8, bf16, a step", "56.4 ms", 22, "ms", _step(8, "bf16", "ms")),
    Goal("the same, the aim: half of the ceiling", "56.4 ms", 15, "ms", _step(8, "bf16", "ms")),
    Goal("batch 4 (the paper's), bf16, a step", "32.6 ms", 13, "ms", _step(4, "bf16", "ms")),
    Goal("batch 16, bf16", "151 images/s", 450, "images/s", _step(16, "bf16", "images_per_second"), at_least=True),
    Goal("batch 8, bf16, peak memory", "3,900 MB", 3719, "MiB", _step(8, "bf16", "peak_mib")),
    Goal("batch 8, fp32 with TF32, a step: twice as fast", "93.4 ms", 46.7, "ms", _step(8, "fp32", "ms")),
    Goal("waiting for data, decoded sets kept", "not measured", 2, "%", _waits),
)

ESTIMATES = {
    "fused_norm": "7 to 9 ms (with norms, padding and their copies: 5.5 + 3.4 ms of the profile)",
    "fused_cbam": "1 ms (CBAM's maps moved 10 times for 37)",
    "channels_last": "11 ms (layout copies: 11.6 ms of the profile)",
    "padded_channels": "2 to 3 ms (7x7 convolutions of 3 and 1 channels: 0.5 to 1.4 ms each)",
    "averaging_in_backward": "hides 0.4 to 1 ms, of several processes alone",
}
"""What leaving it out should cost at batch 8."""
WITHOUT_SWITCH = (
    "no in-place ReLU on what a norm returns: 2.5 to 3.5 ms",
    "no bias before a norm: 2 to 3 ms",
    "VGG kept in bf16: 1 ms",
)
"""Changes that cannot be switched off, and what they should be worth."""
EXPECTED_MS = (17, 20)
"""A step of batch 8 with everything."""
