"""What cannot be said of one setting alone: settings that conflict, and settings without effect in this mode."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cartoon_dist.config.overrides import flatten, plain
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.escape import shortened
from cartoon_dist.vgg_layers import NUM_CONVOLUTIONS, layer_names

_LARGEST = 2**22
"""1.2 billion weights, by what a residual block has at one channel: 288, two 3x3 kernels from 4 to 4."""

# A name and a password, in any link of a chain (simplecache::https://...), and over http a name, a query or a fragment.
# github://OWNER:REPOSITORY@VERSION is no secret.
_SECRET = re.compile(r"(?i)(?:^|::)(?:https?://([^/]*@|[^#?]*[#?])|(?!github:)[a-z][a-z0-9+.-]*://[^/@]*:[^/@]*@)")


def conflicts(flat: Mapping[str, Any]) -> list[str]:
    """Settings that cannot go together, of all settings by their paths, also where a config holds other mistakes."""
    wrong = []
    if flat["model.attention"] == "cbam" and flat["model.saliency"] == "none":
        wrong.append(
            "model.attention: cbam follows the saliency network's joints, so with model.saliency=none it is none"
        )
    blocks, channels = _number(flat["model.num_blocks"]), _number(flat["model.channels"])
    if channels <= 1024 and blocks <= 256 and channels**2 * (blocks + 4) > _LARGEST:  # else the bounds of each speak
        most = max(0, int(_LARGEST / channels**2) - 4)
        wrong.append(
            f"model.num_blocks: {blocks:.0f} blocks of model.channels={channels:.0f} have over a billion weights; use "
            f"{most} or fewer, or fewer channels"
        )
    method = flat["method"]
    if method in ("animegan", "whitebox") and flat["model.saliency"] != "none":
        wrong.append(
            f"model.saliency: {method} has no saliency network: use model.saliency=none and model.attention=none"
        )
    if method == "whitebox" and flat["capture.mode"] != "none":
        wrong.append(
            "capture.mode: whitebox cuts its own drawing into superpixels on the host, so its step cannot be recorded: "
            "use capture.mode=none"
        )
    network, layer = flat["loss.content.network"], flat["loss.content.layer"]
    layers = [name for known in NUM_CONVOLUTIONS if known == network for name in layer_names(known)]
    if layers and layer not in layers:
        wrong.append(f"loss.content.layer: {network} has no {shortened(str(layer))}; it has {' '.join(layers)}")
    milestones = flat["optimizer.milestones"]
    if isinstance(milestones, list) and milestones != sorted(set(map(_number, milestones))):
        wrong.append(f"optimizer.milestones: {milestones} must rise")
    places = {name: str(flat[name]).rstrip("/") for name in ("data.photos", "data.cartoons")}
    # A URL stands in the run's config and report, and a file's name is put behind it.
    secret = [name for name, place in places.items() if _SECRET.search(place)]
    wrong += [
        f"{name}: the URL carries a password, a query or a fragment; give the address of the folder alone"
        for name in secret
    ]
    if places["data.photos"] == places["data.cartoons"] and not secret:
        wrong.append(f"data.cartoons: is the same folder as data.photos ({flat['data.photos']})")
    every, lasting = flat["checkpoint.every"], flat["checkpoint.keep_every"]
    if _number(every) >= 1 and _number(lasting) % _number(every):
        wrong.append(
            f"checkpoint.keep_every: {lasting} is no multiple of checkpoint.every={every}, so it would keep none"
        )
    return wrong


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, (int, float)) else 0.0
    except OverflowError:  # complained of where its bounds are
        return 0.0


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


def settings_without_effect(settings: TrainSettings) -> list[str]:
    """A line for each such setting."""
    given, usual = (flatten(plain(each)) for each in (settings, TrainSettings(run_dir="")))
    return list(_without_effect(given, {path for path, value in given.items() if value != usual[path]}))


def _without_effect(given: dict[str, Any], changed: set[str]) -> Iterator[str]:
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
