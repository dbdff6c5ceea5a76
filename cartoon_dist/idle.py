"""Settings that differ from their defaults and change nothing in this mode."""

from collections.abc import Iterator
from typing import Any

from cartoon_dist import nested
from cartoon_dist.config import TrainSettings

_ONLY: dict[str, tuple[str, ...]] = {
    "animegan": ("loss.animegan",),
    "whitebox": ("loss.whitebox",),
    "cartoongan": (
        "loss.adversarial",
        "loss.saliency",
        "model.checkpoint_blocks",
        "model.joints",
        "model.residual",
        "upsample",
    ),
}
"""What one method alone has: names of settings, or how they begin."""


def without_effect(settings: TrainSettings) -> list[str]:
    """A line for each such setting."""
    given, usual = (nested.flatten(nested.plain(held)) for held in (settings, TrainSettings(run_dir="")))
    return list(_idle(given, {path for path, value in given.items() if value != usual[path]}))


def _idle(given: dict[str, Any], changed: set[str]) -> Iterator[str]:
    method, saliency = given["method"], given["model.saliency"]
    others = [path for name, paths in _ONLY.items() if name != method for path in paths]
    for path in sorted(changed):
        if any(path == other or path.startswith(f"{other}.") for other in others):
            yield f"{path}: has no effect with method={method}"
    if method == "cartoongan":
        if saliency != "ressal" and "model.residual" in changed:
            yield f"model.residual: has no effect with model.saliency={saliency}"
        if saliency == "none" and "model.joints" in changed:
            yield "model.joints: has no effect with model.saliency=none"
    if given["warmup.steps"] is not None and "warmup.epochs" in changed:
        yield "warmup.epochs: has no effect beside warmup.steps"
