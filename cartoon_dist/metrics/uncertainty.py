"""How far a distance between two sets of pictures can be believed, and what it hides.

With few pictures a Frechet distance is biased upwards and scatters. Beside it stand: the distance of two halves of the
real set (what no generator can be expected to go below, at that count), its standard error, the unbiased estimate of
KID over all pictures, and precision and recall, which tell a generator that draws badly from one that draws little.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from cartoon_dist.distributed import collectives

Features = Float[Tensor, "n c"]
Distance = Callable[[Features, Features], float]
Told = dict[str, tuple[float, dict[str, Any]]]
NEIGHBOURS = 3
ROWS = 1000
"""Pictures whose distances to all others are held at a time: those of all at once grow with the square."""
_SEED = 2020


def floor(real: Features, distance: Distance, *, count: int) -> Told:
    """`floor`: the distance of `count` real pictures to as many others, or of the two halves where there are fewer;
    nothing for fewer than four."""
    count = min(count, len(real) // 2)
    if count < 2:
        return {}
    order = np.random.default_rng(_SEED).permutation(len(real))
    value = distance(real[order[:count]], real[order[count : 2 * count]])
    return {"floor": (value, {"pictures_a_side": count, "seed": _SEED})}


def standard_error(generated: Features, real: Features, distance: Distance, *, num_subsamples: int) -> dict[str, Any]:
    """The distance's standard error by the delete-half jackknife (Shao and Wu, Ann. Stat. 1989): the root mean square
    deviation of its values over random halves of both sets. Nothing where a half has fewer than two pictures.

    The processes share the halves. Waits for them.
    """
    halves = [len(side) // 2 for side in (generated, real)]
    if num_subsamples < 2 or min(halves) < 2:
        return {}

    def one(number: int) -> float:
        random = np.random.default_rng((_SEED, number))
        return distance(*(side[random.permutation(len(side))[: len(side) // 2]] for side in (generated, real)))

    mine = range(collectives.rank(), num_subsamples, collectives.world_size())
    values = [
        value for _, value in sorted(pair for part in collectives.gather([(n, one(n)) for n in mine]) for pair in part)
    ]
    return {"standard_error": float(np.std(values)), "subsamples": num_subsamples, "seed": _SEED}


def kid_of_all(generated: Features, real: Features) -> Told:
    """`kid_all`: the unbiased estimate of the squared MMD with the kernel (x.y / c + 1)^3 (Binkowski et al., ICLR
    2018), over all pairs: KID without subsets and their scatter."""
    sides = [side.double().numpy() for side in (generated, real)]

    def within(side: np.ndarray[Any, np.dtype[np.float64]]) -> float:
        with_itself = float(((np.square(side).sum(axis=1) / side.shape[1] + 1) ** 3).sum())
        return (_kernel_sum(side, side) - with_itself) / (len(side) * (len(side) - 1))

    across = _kernel_sum(*sides) / (len(sides[0]) * len(sides[1]))
    value = within(sides[0]) + within(sides[1]) - 2 * across
    return {"kid_all": (value, {"estimate": "unbiased, all pairs"})}


def precision_and_recall(generated: Features, real: Features) -> Told:
    """`precision`: the share of drawings that lie within a real picture's neighbourhood; `recall`: of real pictures
    within a drawing's (Kynkaanniemi et al., NeurIPS 2019, k = 3). torch-fidelity's own; nothing for fewer than five
    pictures of a side."""
    if min(len(generated), len(real)) <= NEIGHBOURS + 1:
        return {}
    from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

    cut = {"save_cpu_ram": True, "prc_batch_size": ROWS}
    found = prc_features_to_metric(generated, real, prc_neighborhood=NEIGHBOURS, verbose=False, **cut)
    more = {"neighbours": NEIGHBOURS}
    return {
        name: (found[key], more) for name, key in (("precision", KEY_METRIC_PRECISION), ("recall", KEY_METRIC_RECALL))
    }


def _kernel_sum(one: np.ndarray[Any, np.dtype[np.float64]], other: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Of the kernel (x.y / c + 1)^3 over all pairs."""
    blocks = (one[start : start + ROWS] for start in range(0, len(one), ROWS))
    return sum(float(((block @ other.T / one.shape[1] + 1) ** 3).sum()) for block in blocks)
