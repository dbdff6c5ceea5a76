"""What is reported beside a distance, against results by hand, slow plain versions and repetition."""

import numpy as np
import pytest
import torch

from cartoon_dist.metrics import uncertainty
from cartoon_dist.metrics.uncertainty import FeatureVectors


def gap(one: FeatureVectors, other: FeatureVectors) -> float:
    """A distance whose scatter is known: the difference of two means."""
    return float(one.mean() - other.mean())


@pytest.mark.parametrize("rows", [2, 1000])
def test_kid_over_all_pairs_by_a_double_loop(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncertainty, "BLOCK_ROWS", rows)
    random = torch.Generator().manual_seed(0)
    generated, real = torch.randn(5, 3, generator=random), torch.randn(7, 3, generator=random) + 1
    sides = generated.tolist(), real.tolist()

    def kernel(x: list[float], y: list[float]) -> float:
        return (sum(a * b for a, b in zip(x, y, strict=True)) / 3 + 1) ** 3

    expected = 0.0
    for side in sides:
        pairs = [kernel(x, y) for i, x in enumerate(side) for j, y in enumerate(side) if i != j]
        expected += sum(pairs) / len(pairs)
    across = [kernel(x, y) for x in sides[0] for y in sides[1]]
    expected -= 2 * sum(across) / len(across)
    [(value, _)] = uncertainty.unbiased_kid(generated, real).values()
    assert value == pytest.approx(expected)


def test_kid_over_all_pairs_has_no_bias() -> None:
    random = torch.Generator().manual_seed(1)
    values = [
        uncertainty.unbiased_kid(torch.randn(8, 4, generator=random), torch.randn(8, 4, generator=random))["kid_all"][0]
        for _ in range(400)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


def test_precision_and_recall_by_hand() -> None:
    """Real pictures on a line at 0, 1, ..., 9; the third neighbour is two or three away. Generated ones lie around 4,
    but for one far away."""
    real = torch.arange(10.0)[:, None]
    generated = torch.tensor([[3.9], [4.0], [4.1], [4.2], [4.3], [50.0]])
    metrics = uncertainty.precision_and_recall(generated, real)
    assert metrics["precision"][0] == pytest.approx(5 / 6)
    # Of each generated one around 4 the third neighbour lies 0.2 or 0.3 away, of the far one 45.9.
    inside = sum(any(abs(x - g) <= r for g, r in balls()) for x in range(10))
    assert metrics["recall"][0] == pytest.approx(inside / 10)
    assert uncertainty.precision_and_recall(generated[:4], real) == {}


def test_precision_and_recall_in_blocks_are_those_of_all_pairs_at_once() -> None:
    random = torch.Generator().manual_seed(5)
    generated, real = torch.randn(2300, 6, generator=random), 0.8 * torch.randn(2600, 6, generator=random) + 0.5
    metrics = uncertainty.precision_and_recall(generated, real)
    radii = {
        name: torch.cdist(side, side).kthvalue(uncertainty.NUM_NEIGHBOURS + 1).values
        for name, side in (("generated", generated), ("real", real))
    }
    distances = torch.cdist(generated, real)
    expected = {
        "precision": (distances <= radii["real"]).any(dim=1).double().mean(),
        "recall": (distances <= radii["generated"][:, None]).any(dim=0).double().mean(),
    }
    assert {name: value for name, (value, _) in metrics.items()} == pytest.approx(
        {name: float(share) for name, share in expected.items()}, abs=1e-6
    )
    assert 0.1 < metrics["precision"][0] < 1


def balls() -> list[tuple[float, float]]:
    places = [3.9, 4.0, 4.1, 4.2, 4.3, 50.0]
    return [(place, sorted(abs(place - other) for other in places)[3] + 1e-5) for place in places]


def test_the_floor_compares_disjoint_sets() -> None:
    real = torch.arange(10.0)[:, None]
    seen: list[set[float]] = []

    def distance(one: FeatureVectors, other: FeatureVectors) -> float:
        seen.extend([set(one.flatten().tolist()), set(other.flatten().tolist())])
        return 1.5

    floor = uncertainty.real_split_distance(real, distance, count=100)
    assert floor == {"floor": (1.5, {"pictures_a_side": 5, "seed": 2020})}
    assert uncertainty.real_split_distance(real, distance, count=3)["floor"][1]["pictures_a_side"] == 3
    assert [len(side) for side in seen] == [5, 5, 3, 3]
    assert not seen[0] & seen[1]
    assert not seen[2] & seen[3]
    assert uncertainty.real_split_distance(real[:3], distance, count=100) == {}


def test_the_standard_error_is_that_of_repeated_sampling() -> None:
    random = torch.Generator().manual_seed(3)
    draws = [(torch.randn(60, 1, generator=random), torch.randn(40, 1, generator=random)) for _ in range(60)]
    scatter = np.std([gap(*draw) for draw in draws])  # of the truth: sqrt(1/60 + 1/40) = 0.204
    errors = [uncertainty.jackknife_standard_error(*draw, gap, num_subsamples=60)["standard_error"] for draw in draws]
    assert scatter == pytest.approx(0.204, rel=0.25)
    assert np.mean(errors) == pytest.approx(0.204, rel=0.1)


def test_no_standard_error_of_too_few_pictures() -> None:
    many = torch.randn(10, 1)
    assert uncertainty.jackknife_standard_error(many, many[:3], gap, num_subsamples=10) == {}
    assert uncertainty.jackknife_standard_error(many, many, gap, num_subsamples=0) == {}
    again = [uncertainty.jackknife_standard_error(many, many, gap, num_subsamples=5) for _ in range(2)]
    assert again[0] == again[1]
