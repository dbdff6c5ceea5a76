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
from cartoon_dist.metrics.features import ExtractorKind

HEADLINE: Mapping[ExtractorKind, str] = {"inception": "fid", "efficientnet_lite0": "frechet_efficientnet_lite0"}
"""The metric of each kind of features by which checkpoints are compared; less is better."""
NUM_AXES = 64
"""How many principal axes of the real set the small feature network's vectors are projected on."""
_KID_SUBSETS, _KID_SUBSET, _SEED = 100, 1000, 2020  # torch-fidelity's defaults


def distances(
    kind: ExtractorKind, generated: Float[Tensor, "n c"], real: Float[Tensor, "m c"]
) -> dict[str, tuple[float, dict[str, Any]]]:
    """Each metric of these features: its value, and its additions to the protocol. CartoonError for fewer than two of a
    side, and for features that have no distance.

    On one thread: eigenvalues of matrices this size are rounded otherwise on two, and a launcher gives each of several
    processes fewer threads than one process has.
    """
    if min(len(generated), len(real)) < 2:
        raise CartoonError(
            f"{len(generated)} generated against {len(real)} real pictures have no distance; give at least two of each"
        )
    for name, side in (("generated", generated), ("real", real)):
        finite = torch.isfinite(side).all(dim=1)
        if not finite.all():
            raise CartoonError(
                f"the features of {int((~finite).sum())} of {len(side)} {name} pictures are not finite, so they have "
                f"no distance; look at {name} picture {int(finite.int().argmin()) + 1}, or fetch the weights of {kind} "
                "again"
            )
    if kind == "efficientnet_lite0" and bool((real == real[0]).all()):
        raise CartoonError(
            f"all {len(real)} real pictures have the same features, so there is no axis to compare along; give real "
            "pictures that differ, or score.features=inception"
        )
    with threadpool_limits(1):
        if kind == "efficientnet_lite0":
            return {"frechet_efficientnet_lite0": _frechet_on_principal_axes(generated, real)}
        return {"fid": (_fid(generated, real), {}), "kid": _kid(generated, real)}


def distances_with_uncertainty(
    kind: ExtractorKind, generated: Float[Tensor, "n c"], real: Float[Tensor, "m c"], *, num_subsamples: int
) -> dict[str, tuple[float, dict[str, Any]]]:
    """The metrics of `distances` and, in the same form, those that show how uncertain the first of them is. The
    processes share the work."""

    def distance(one: Tensor, other: Tensor) -> float:
        return _fid(one, other) if kind == "inception" else _frechet_on_principal_axes(one, other)[0]

    headline, metrics = HEADLINE[kind], distances(kind, generated, real)
    value, protocol = metrics[headline]
    with threadpool_limits(1):
        error = uncertainty.jackknife_standard_error(generated, real, distance, num_subsamples=num_subsamples)
        metrics[headline] = (value, protocol | error)
        split_distance = uncertainty.real_split_distance(real, distance, count=len(generated))
        metrics |= {f"{headline}_floor": floor for floor in split_distance.values()}
        metrics |= uncertainty.precision_and_recall(generated, real)
        if kind == "inception":
            metrics |= uncertainty.unbiased_kid(generated, real)
    return metrics


def _fid(generated: Float[Tensor, "n c"], real: Float[Tensor, "m c"]) -> float:
    # Here: it imports torchvision, which takes a second; reading scores does not need it.
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    statistics = (fid_features_to_statistics(side) for side in (generated, real))
    return float(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])


def _kid(generated: Float[Tensor, "n c"], real: Float[Tensor, "m c"]) -> tuple[float, dict[str, Any]]:
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

    subset = min(_KID_SUBSET, len(generated), len(real))
    settings = {"kid_subsets": _KID_SUBSETS, "kid_subset_size": subset, "rng_seed": _SEED}
    kid = kid_features_to_metric(generated, real, verbose=False, **settings)
    return kid[KEY_METRIC_KID_MEAN], {**settings, "deviation": kid[KEY_METRIC_KID_STD]}


def _frechet_on_principal_axes(
    generated: Float[Tensor, "n c"], real: Float[Tensor, "m c"]
) -> tuple[float, dict[str, Any]]:
    """Frechet distance of features projected on the real set's principal axes: with few pictures, all axes would be
    mostly noise."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    centre = real.double().numpy().mean(axis=0)
    _, spread, axes = np.linalg.svd(real.double().numpy() - centre, full_matrices=False)
    num_axes = min(NUM_AXES, len(real) - 1)
    projected = [torch.from_numpy((side.double().numpy() - centre) @ axes[:num_axes].T) for side in (generated, real)]
    # For one axis numpy's covariance is a scalar.
    statistics = [
        {
            name: np.atleast_2d(statistic) if name == "sigma" else statistic
            for name, statistic in fid_features_to_statistics(side).items()
        }
        for side in projected
    ]
    total = np.square(spread).sum()
    share = float(np.square(spread[:num_axes]).sum() / total) if total > 0 else 1.0  # equal pictures
    value = fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]
    return value, {"num_axes": num_axes, "share_of_variance": round(share, 4)}
