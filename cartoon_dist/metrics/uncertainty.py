"""How uncertain a distance between two sets of pictures is, and what it does not show.

With few pictures a Frechet distance is biased upwards and scatters. Reported beside it are: the distance of two halves
of the real set (no generator can be expected to go below it, at that count), its standard error, the unbiased estimate
of KID over all pictures, and precision and recall, which separate low quality from low variety.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from cartoon_dist.distributed import collectives

FeatureVectors = Float[Tensor, "n c"]
Distance = Callable[[FeatureVectors, FeatureVectors], float]
MetricValues = dict[str, tuple[float, dict[str, Any]]]
NUM_NEIGHBOURS = 3
BLOCK_ROWS = 1000
"""Pictures whose distances to all others are in memory at a time; all at once, memory grows with their square."""
_SEED = 2020


def real_split_distance(real: FeatureVectors, distance: Distance, *, count: int) -> MetricValues:
    """`floor`: the distance of `count` real pictures to as many others, or of the two halves where there are fewer;
    empty for fewer than four."""
    count = min(count, len(real) // 2)
    if count < 2:
        return {}
    order = np.random.default_rng(_SEED).permutation(len(real))
    value = distance(real[order[:count]], real[order[count : 2 * count]])
    return {"floor": (value, {"pictures_a_side": count, "seed": _SEED})}


def jackknife_standard_error(
    generated: FeatureVectors, real: FeatureVectors, distance: Distance, *, num_subsamples: int
) -> dict[str, Any]:
    """The distance's standard error by the delete-half jackknife (Shao and Wu, Ann. Stat. 1989): the root mean square
    deviation of its values over random halves of both sets. Empty where a half has fewer than two pictures.

    The processes share the subsamples. Waits for the others.
    """
    halves = [len(side) // 2 for side in (generated, real)]
    if num_subsamples < 2 or min(halves) < 2:
        return {}

    def distance_of_halves(subsample: int) -> float:
        random = np.random.default_rng((_SEED, subsample))
        return distance(*(side[random.permutation(len(side))[: len(side) // 2]] for side in (generated, real)))

    mine = range(collectives.rank(), num_subsamples, collectives.world_size())
    parts = collectives.all_gather([(subsample, distance_of_halves(subsample)) for subsample in mine])
    values = [value for _, value in sorted(pair for part in parts for pair in part)]
    return {"standard_error": float(np.std(values)), "subsamples": num_subsamples, "seed": _SEED}


def unbiased_kid(generated: FeatureVectors, real: FeatureVectors) -> MetricValues:
    """`kid_all`: the unbiased estimate of the squared MMD with the kernel (x.y / c + 1)^3 (Binkowski et al., ICLR
    2018), over all pairs: KID without the random subsets."""
    sides = [side.double().numpy() for side in (generated, real)]

    def mean_within(side: np.ndarray[Any, np.dtype[np.float64]]) -> float:
        diagonal = float(((np.square(side).sum(axis=1) / side.shape[1] + 1) ** 3).sum())
        return (_kernel_sum(side, side) - diagonal) / (len(side) * (len(side) - 1))

    across = _kernel_sum(*sides) / (len(sides[0]) * len(sides[1]))
    value = mean_within(sides[0]) + mean_within(sides[1]) - 2 * across
    return {"kid_all": (value, {"estimate": "unbiased, all pairs"})}


def precision_and_recall(generated: FeatureVectors, real: FeatureVectors) -> MetricValues:
    """`precision`: the share of generated pictures within a real picture's neighbourhood; `recall`: of real pictures
    within a generated picture's (Kynkaanniemi et al., NeurIPS 2019, k = 3). torch-fidelity's own; empty for fewer than
    five pictures of a side."""
    if min(len(generated), len(real)) <= NUM_NEIGHBOURS + 1:
        return {}
    from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

    blocks = {"save_cpu_ram": True, "prc_batch_size": BLOCK_ROWS}
    metrics = prc_features_to_metric(generated, real, prc_neighborhood=NUM_NEIGHBOURS, verbose=False, **blocks)
    protocol = {"neighbours": NUM_NEIGHBOURS}
    return {
        name: (metrics[key], protocol)
        for name, key in (("precision", KEY_METRIC_PRECISION), ("recall", KEY_METRIC_RECALL))
    }


def _kernel_sum(one: np.ndarray[Any, np.dtype[np.float64]], other: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """The sum of the kernel (x.y / c + 1)^3 over all pairs."""
    blocks = (one[start : start + BLOCK_ROWS] for start in range(0, len(one), BLOCK_ROWS))
    return sum(float(((block @ other.T / one.shape[1] + 1) ** 3).sum()) for block in blocks)
