"""FID and KID by torch-fidelity's own functions, and a Frechet distance that needs no internet, under its own name."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from torch import Tensor

from cartoon_dist.config.train import ScoreSettings
from cartoon_dist.errors import CartoonError, CheckpointError
from cartoon_dist.files.atomic import MAX_RECORD_BYTES, read_regular_text, turn_at, write_whole
from cartoon_dist.files.json_yaml import json_text
from cartoon_dist.metrics import uncertainty
from cartoon_dist.metrics.features import Kind
from cartoon_dist.report.curves import drawable
from cartoon_dist.report.markup import finite

HEADLINE: Mapping[Kind, str] = {"inception": "fid", "efficientnet_lite0": "frechet_efficientnet_lite0"}
"""The metric of each kind of features by which checkpoints are compared; less is better."""
AXES = 64
"""How many of the real set's main axes the small feature network's vectors are projected on."""
_KID_SUBSETS, _KID_SUBSET, _SEED = 100, 1000, 2020  # torch-fidelity's defaults


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number and how it was come by."""

    metric: str
    value: float
    features: str
    weights_sha256: str
    num_generated: int
    num_real: int
    step: int
    protocol: Mapping[str, Any]


def each(base: Score, measured: Mapping[str, tuple[float, Mapping[str, Any]]]) -> list[Score]:
    """A score for each metric: what they share, its value, and what its protocol adds."""
    return [
        replace(base, metric=metric, value=value, protocol={**base.protocol, **more})
        for metric, (value, more) in measured.items()
    ]


def measure(
    kind: Kind, generated: Float[Tensor, "n c"], real: Float[Tensor, "m c"]
) -> dict[str, tuple[float, dict[str, Any]]]:
    """Each metric of these features: its value, and what its protocol adds. CartoonError for fewer than two of a
    side, and for features that have no distance.

    On one thread: eigenvalues of matrices this size are rounded otherwise on two, and a launcher gives each of several
    processes fewer threads than one process has.
    """
    if min(len(generated), len(real)) < 2:
        raise CartoonError(
            f"{len(generated)} generated against {len(real)} real pictures have no distance; give at least two of each"
        )
    for name, side in (("generated", generated), ("real", real)):
        good = torch.isfinite(side).all(dim=1)
        if not good.all():
            raise CartoonError(
                f"the features of {int((~good).sum())} of {len(side)} {name} pictures are not finite, so they have no "
                f"distance; look at {name} picture {int(good.int().argmin()) + 1}, or fetch the weights of {kind} again"
            )
    if kind == "efficientnet_lite0" and bool((real == real[0]).all()):
        raise CartoonError(
            f"all {len(real)} real pictures have the same features, so there is no axis to compare along; give real "
            "pictures that differ, or score.features=inception"
        )
    with threadpool_limits(1):
        if kind == "efficientnet_lite0":
            return {"frechet_efficientnet_lite0": _frechet_on_main_axes(generated, real)}
        return {"fid": (_fid(generated, real), {}), "kid": _kid(generated, real)}


def measure_all(
    kind: Kind, generated: Float[Tensor, "n c"], real: Float[Tensor, "m c"], *, num_subsamples: int
) -> dict[str, tuple[float, dict[str, Any]]]:
    """What `measure` found and, of the same shape, what helps to believe its first metric or not. The processes share
    the work."""

    def distance(one: Tensor, other: Tensor) -> float:
        return _fid(one, other) if kind == "inception" else _frechet_on_main_axes(one, other)[0]

    headline, told = HEADLINE[kind], measure(kind, generated, real)
    value, protocol = told[headline]
    with threadpool_limits(1):
        error = uncertainty.standard_error(generated, real, distance, num_subsamples=num_subsamples)
        told[headline] = (value, protocol | error)
        told |= {f"{headline}_floor": held for held in uncertainty.floor(real, distance, count=len(generated)).values()}
        told |= uncertainty.precision_and_recall(generated, real)
        if kind == "inception":
            told |= uncertainty.kid_of_all(generated, real)
    return told


def _fid(generated: Float[Tensor, "n c"], real: Float[Tensor, "m c"]) -> float:
    # Here: it brings torchvision, a second that nothing need wait for that reads scores or has none.
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    statistics = (fid_features_to_statistics(side) for side in (generated, real))
    return float(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])


def _kid(generated: Float[Tensor, "n c"], real: Float[Tensor, "m c"]) -> tuple[float, dict[str, Any]]:
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

    subset = min(_KID_SUBSET, len(generated), len(real))
    settings = {"kid_subsets": _KID_SUBSETS, "kid_subset_size": subset, "rng_seed": _SEED}
    kid = kid_features_to_metric(generated, real, verbose=False, **settings)
    return kid[KEY_METRIC_KID_MEAN], {**settings, "deviation": kid[KEY_METRIC_KID_STD]}


def _frechet_on_main_axes(generated: Float[Tensor, "n c"], real: Float[Tensor, "m c"]) -> tuple[float, dict[str, Any]]:
    """Frechet distance of features projected on the real set's main axes: with few pictures, all axes would be mostly
    noise."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    centre = real.double().numpy().mean(axis=0)
    _, spread, axes = np.linalg.svd(real.double().numpy() - centre, full_matrices=False)
    num_axes = min(AXES, len(real) - 1)
    projected = [torch.from_numpy((side.double().numpy() - centre) @ axes[:num_axes].T) for side in (generated, real)]
    # Of one axis numpy's covariance is a bare number.
    statistics = [
        {
            name: np.atleast_2d(held) if name == "sigma" else held
            for name, held in fid_features_to_statistics(side).items()
        }
        for side in projected
    ]
    total = np.square(spread).sum()
    share = float(np.square(spread[:num_axes]).sum() / total) if total > 0 else 1.0  # a half may hold equal pictures
    value = fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]
    return value, {"num_axes": num_axes, "share_of_variance": round(share, 4)}


def checked(scores: Sequence[Score]) -> list[Score]:
    """The scores, whose values are numbers: CartoonError naming the first that is not finite, and why. What else a
    protocol says that is not finite, a deviation of what overflowed for instance, is left out of it."""
    for score in scores:
        if not math.isfinite(score.value):
            raise CartoonError(
                f"{score.metric} of step {score.step} is {score.value}, so nothing is recorded: its features "
                f"({score.features}, of {score.num_generated} generated and {score.num_real} real pictures) are too "
                "large or too much alike for it; look at the pictures, or score another checkpoint"
            )
    return [
        replace(
            score,
            protocol={
                key: value
                for key, value in score.protocol.items()
                if not isinstance(value, float) or math.isfinite(value)
            },
        )
        for score in scores
    ]


def record(path: Path, scores: Sequence[Score]) -> None:
    """Add scores to scores.json, whole or not at all; one of the same metric, step and protocol is replaced.

    Several processes may do so at once: each waits for its turn. What stands there that is not finite, as an earlier
    release left it, becomes null: NaN is no JSON.
    """
    new = [asdict(score) for score in scores]
    try:
        with turn_at(path, CheckpointError):
            kept = [old for old in read(path) if _identity(old) not in {_identity(score) for score in new}]
            write_whole(path, json.dumps(finite(kept) + new, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error.strerror}); make room and score again") from None


def read(path: Path) -> list[dict[str, Any]]:
    """The scores of a run so far; CheckpointError when the file is damaged."""
    try:
        held = json_text(read_regular_text(path, max_bytes=MAX_RECORD_BYTES))
        return [dict(score) for score in held]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); move it away and score again") from None
    except (ValueError, TypeError):
        raise CheckpointError(f"{path}: is no list of scores; move it away and score again") from None


def protocol(score: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a score says that it was made; nothing for an entry that is none of ours."""
    held = score.get("protocol")
    return held if isinstance(held, dict) else {}


def best(path: Path, settings: ScoreSettings, steps: Sequence[int]) -> int | None:
    """Of these steps the one whose generator draws nearest to the style, as scores.json has it; None when it has none.

    Only scores made as the run's settings say are compared, and of these only those that were made like the last one:
    on the same pictures, through the same weights. CheckpointError when the file is damaged.
    """
    asked = {"metric": HEADLINE[settings.features], "weights": settings.weights, "split": settings.photos}
    held = [score for score in read(path) if asked.items() <= _made(score).items() and score.get("step") in steps]
    alike = [score for score in held if _made(score) == _made(held[-1]) and math.isfinite(drawable(score["value"]))]
    return min(alike, key=lambda score: (score["value"], -score["step"]))["step"] if alike else None


def _made(score: Mapping[str, Any]) -> dict[str, Any]:
    """How a score was made, but for the generator; without a number there is nothing to compare."""
    made = score.get("protocol")
    if not isinstance(score.get("value"), (int, float)) or not isinstance(made, dict):
        return {}
    photos, cartoons = made.get("photos"), made.get("cartoons")
    alike = {key: score.get(key) for key in ("metric", "features", "weights_sha256", "num_generated", "num_real")}
    alike |= {key: made.get(key) for key in ("weights", "pixels", "resize", "layer")}
    return alike | {
        "photos": photos,
        "cartoons": cartoons,
        "split": photos.get("split") if isinstance(photos, dict) else None,
    }


def _identity(score: Mapping[str, Any]) -> str:
    asked = {key: score.get(key) for key in ("metric", "step", "num_generated", "num_real", "weights_sha256")}
    chosen = {key: protocol(score).get(key) for key in ("weights", "photos", "cartoons", "generator_sha256")}
    return json.dumps([asked, chosen], sort_keys=True)
