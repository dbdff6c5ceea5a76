"""FID and KID by torch-fidelity's own functions, and a Frechet distance that needs no internet, under its own name."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from torch import Tensor

from cartoon_dist.errors import CartoonError
from cartoon_dist.metrics import uncertainty
from cartoon_dist.metrics.features import Kind

HEADLINE: Mapping[Kind, str] = {"inception": "fid", "efficientnet_lite0": "frechet_efficientnet_lite0"}
"""The metric of each kind of features by which checkpoints are compared; less is better."""
AXES = 64
"""How many of the real set's main axes the small feature network's vectors are projected on."""
_KID_SUBSETS, _KID_SUBSET, _SEED = 100, 1000, 2020  # torch-fidelity's defaults


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
