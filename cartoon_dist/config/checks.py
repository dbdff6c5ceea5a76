"""Checks over several settings: settings that conflict, and settings that have no effect in this mode."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cartoon_dist.config.overrides import flatten, to_dict
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.escape import truncated
from cartoon_dist.vgg_layers import NUM_CONVOLUTIONS, layer_names

_MAX_SIZE = 2**22
"""The bound of channels^2 * (blocks + 4): 1.2 billion weights, as a residual block has 288 * channels^2 of them (two
3x3 kernels from 4 to 4 times the channels)."""

# A name and a password, in any link of a chain (simplecache::https://...), and over http a name, a query or a fragment.
# github://OWNER:REPOSITORY@VERSION is no secret.
_SECRET = re.compile(r"(?i)(?:^|::)(?:https?://([^/]*@|[^#?]*[#?])|(?!github:)[a-z][a-z0-9+.-]*://[^/@]*:[^/@]*@)")


def conflicts(flat: Mapping[str, Any]) -> list[str]:
    """An error line for each combination of settings that cannot work; `flat` holds all settings by their dotted paths.

    Also called for a config with other mistakes, so values may be of any type.
    """
    errors = []
    if flat["model.attention"] == "cbam" and flat["model.saliency"] == "none":
        errors.append(
            "model.attention: cbam follows the saliency network's joints, so with model.saliency=none it is none"
        )
    blocks, channels = _as_float(flat["model.num_blocks"]), _as_float(flat["model.channels"])
    if (
        channels <= 1024 and blocks <= 256 and channels**2 * (blocks + 4) > _MAX_SIZE
    ):  # else each one's own bound reports it
        max_blocks = max(0, int(_MAX_SIZE / channels**2) - 4)
        errors.append(
            f"model.num_blocks: {blocks:.0f} blocks of model.channels={channels:.0f} have over a billion weights; use "
            f"{max_blocks} or fewer, or fewer channels"
        )
    method = flat["method"]
    if method in ("animegan", "whitebox") and flat["model.saliency"] != "none":
        errors.append(
            f"model.saliency: {method} has no saliency network: use model.saliency=none and model.attention=none"
        )
    if method == "whitebox" and flat["capture.mode"] != "none" and _as_float(flat["loss.whitebox.structure"]):
        errors.append(
            "capture.mode: whitebox cuts its own drawing into superpixels on the host, so its step cannot be recorded: "
            "use capture.mode=none, or loss.whitebox.structure=0, which needs no superpixels"
        )
    network, layer = flat["loss.content.network"], flat["loss.content.layer"]
    layers = [name for known in NUM_CONVOLUTIONS if known == network for name in layer_names(known)]
    if layers and layer not in layers:
        errors.append(f"loss.content.layer: {network} has no {truncated(str(layer))}; it has {' '.join(layers)}")
    milestones = flat["optimizer.milestones"]
    if isinstance(milestones, list) and milestones != sorted(set(map(_as_float, milestones))):
        errors.append(f"optimizer.milestones: {milestones} must rise")
    folders = {name: str(flat[name]).rstrip("/") for name in ("data.photos", "data.cartoons")}
    # The URL is written into the run's config and report, and file names are appended to it.
    secret = [name for name, folder in folders.items() if _SECRET.search(folder)]
    errors += [
        f"{name}: the URL carries a password, a query or a fragment; give the address of the folder alone"
        for name in secret
    ]
    if folders["data.photos"] == folders["data.cartoons"] and not secret:
        errors.append(f"data.cartoons: is the same folder as data.photos ({flat['data.photos']})")
    every, keep_every = flat["checkpoint.every"], flat["checkpoint.keep_every"]
    if _as_float(every) >= 1 and _as_float(keep_every) % _as_float(every):
        errors.append(
            f"checkpoint.keep_every: {keep_every} is no multiple of checkpoint.every={every}, so it would keep none"
        )
    return errors


def _as_float(value: object) -> float:
    try:
        return float(value) if isinstance(value, (int, float)) else 0.0
    except OverflowError:  # too large: the setting's own bound reports it
        return 0.0


_SETTINGS_OF_METHOD: dict[str, tuple[str, ...]] = {
    "animegan": ("loss.animegan",),
    "whitebox": ("loss.whitebox", "model.guided"),
    "cartoongan": (
        "loss.adversarial",
        "loss.saliency",
        "loss.variation",
        "model.checkpoint_blocks",
        "model.joints",
        "model.output",
        "model.residual",
        "upsample",
    ),
}
"""Settings, or groups of them, that only this method uses."""


def settings_without_effect(settings: TrainSettings) -> list[str]:
    """A warning line for each setting that was changed and is not used in this mode."""
    flat, defaults = (flatten(to_dict(each)) for each in (settings, TrainSettings(run_dir="")))
    return list(_without_effect(flat, {path for path, value in flat.items() if value != defaults[path]}))


def _without_effect(flat: dict[str, Any], changed: set[str]) -> Iterator[str]:
    method, saliency = flat["method"], flat["model.saliency"]
    of_other_methods = [path for name, paths in _SETTINGS_OF_METHOD.items() if name != method for path in paths]
    for path in sorted(changed):
        if any(path == other or path.startswith(f"{other}.") for other in of_other_methods):
            yield f"{path}: has no effect with method={method}"
    if method == "cartoongan":
        if saliency != "ressal" and "model.residual" in changed:
            yield f"model.residual: has no effect with model.saliency={saliency}"
        if saliency == "none" and "model.joints" in changed:
            yield "model.joints: has no effect with model.saliency=none"
    if flat["loss.content.target"] == "photo":
        for path in sorted(changed):
            if path.startswith("loss.flattening."):
                yield f"{path}: has no effect with loss.content.target=photo"
    if method == "animegan" and "model.padding" in changed:
        yield "model.padding: has no effect with method=animegan"
    if flat["warmup.steps"] is not None and "warmup.epochs" in changed:
        yield "warmup.epochs: has no effect beside warmup.steps"
