"""Features and scores on one process and on two, against torch-fidelity's own call, bit for bit."""

import json
import os
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
import torch_fidelity
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.utils.data import Dataset

from cartoon_dist.errors import CartoonError, WeightsError
from cartoon_dist.metrics import efficientnet
from cartoon_dist.metrics.feature_store import FeatureStore
from cartoon_dist.metrics.features import extractor, features, inception
from cartoon_dist.metrics.frechet_kid import measure
from cartoon_dist.tensors import Bytes
from tests.running import ROOT, helper

CPU = torch.device("cpu")
SIZES = {"generated": 7, "real": 9}
LAYER = "64"


def pictures(kind: str) -> Bytes:
    """Coloured noise of two kinds, the same in every process."""
    noise = torch.Generator().manual_seed(len(kind))
    coarse = torch.randint(0, 256, (SIZES[kind], 3, 6, 6), generator=noise, dtype=torch.uint8)
    return coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)


def by_numbers(kind: str, numbers: Sequence[int]) -> Bytes:
    return pictures(kind)[list(numbers)]


class Held(Dataset[Tensor]):
    """The same pictures as torch-fidelity takes them."""

    def __init__(self, kind: str) -> None:
        self.pictures = pictures(kind)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, number: int) -> Tensor:
        return self.pictures[number]


def by_the_reference(weights: Path, layer: str) -> dict[str, float]:
    """torch-fidelity's own call."""
    found: dict[str, float] = torch_fidelity.calculate_metrics(
        input1=Held("generated"),
        input2=Held("real"),
        fid=True,
        kid=True,
        feature_layer_fid=layer,
        feature_layer_kid=layer,
        kid_subset_size=min(SIZES.values()),
        feature_extractor_weights_path=str(weights),
        cuda=False,
        save_cpu_ram=True,
        batch_size=4,
        verbose=False,
    )
    return found


@pytest.fixture(scope="module")
def reference(weights: Path) -> dict[str, float]:
    return by_the_reference(weights, LAYER)


def scored(
    weights: Path, batch_size: int, store: Path | None = None, *, layer: str = LAYER, dies_at: int = -1
) -> dict[str, float]:
    """Both sides' vectors, kept in a folder if there is one, and their distances. The process kills itself when it is
    to see a picture of that number."""
    seen_by = inception(weights, CPU, layer=layer)

    def shown(numbers: Sequence[int], kind: str) -> Bytes:
        if dies_at in numbers and kind == "generated":
            os.kill(os.getpid(), signal.SIGKILL)
        if store:
            with (store / f"seen-{os.getpid()}").open("a") as lines:
                lines.write(f"{kind} {numbers[0]}\n")
        return by_numbers(kind, numbers)

    sides = [
        features(
            partial(shown, kind=kind),
            num,
            seen_by,
            batch_size=batch_size,
            store=FeatureStore(store, {"of": kind}) if store else None,
        )
        for kind, num in SIZES.items()
    ]
    return {metric: value for metric, (value, _) in measure("inception", *sides).items()}


@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_one_process_equals_the_reference(weights: Path, reference: dict[str, float], batch_size: int) -> None:
    found = scored(weights, batch_size)
    assert found["fid"] == reference["frechet_inception_distance"]
    assert found["kid"] == reference["kernel_inception_distance_mean"]


# Each process writes a file of its own: on one stream their lines run into each other.
SCORE = """
import json, os, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from cartoon_dist.distributed import collectives
from tests.metrics.test_features import scored
collectives.join()
store = Path(sys.argv[3]) if sys.argv[3:] else None
found = scored(Path(sys.argv[1]), 2 if store else 4, store, layer=os.environ["LAYER"])
Path(sys.argv[2], f"{collectives.rank()}.json").write_text(json.dumps(found))
collectives.leave()
"""


DIES = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.metrics.test_features import scored
scored(Path(sys.argv[1]), 2, Path(sys.argv[2]), dies_at=5)
"""


def scored_together(num: int, weights: Path, folder: Path, *store: Path, layer: str = LAYER) -> list[dict[str, float]]:
    """What each of several processes finds."""
    (folder / "score.py").write_text(SCORE)
    done = helper(folder / "score.py", weights, folder, *store, num_processes=num, LAYER=layer)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(num)]


def in_our_words(reference: dict[str, float]) -> dict[str, float]:
    return {"fid": reference["frechet_inception_distance"], "kid": reference["kernel_inception_distance_mean"]}


@pytest.mark.slow
def test_two_processes_equal_the_reference(weights: Path, reference: dict[str, float], tmp_path: Path) -> None:
    assert scored_together(2, weights, tmp_path) == [in_our_words(reference)] * 2


@pytest.mark.slow
def test_two_processes_equal_the_reference_at_the_full_layer(weights: Path, tmp_path: Path) -> None:
    """The 2,048 features that FID is defined by: slow, for their roots of matrices."""
    with threadpool_limits(1):  # numpy rounds eigenvalues of such matrices otherwise on two threads
        expected = in_our_words(by_the_reference(weights, "2048"))
    assert expected["fid"] > 1
    assert scored_together(2, weights, tmp_path, layer="2048") == [expected] * 2
    assert scored(weights, 4, layer="2048") == expected  # on all threads that this process has


@pytest.mark.slow
def test_a_killed_score_goes_on_where_it_was_on_three_processes(
    weights: Path, reference: dict[str, float], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "dies.py").write_text(DIES)
    child = helper(tmp_path / "dies.py", weights, store)
    assert child.returncode == -signal.SIGKILL
    assert seen(store) == ["generated 0", "generated 2"]
    assert scored_together(3, weights, tmp_path, store) == [in_our_words(reference)] * 3
    generated = [f"generated {number}" for number in (0, 2, 4, 6)]
    assert seen(store) == generated + [f"real {number}" for number in (0, 2, 4, 6, 8)]
    assert scored(weights, 2, store) == in_our_words(reference)
    assert len(seen(store)) == 9  # all of them taken from the disk


def seen(store: Path) -> list[str]:
    """The blocks that went through the network, of all processes so far."""
    return sorted(line for path in store.glob("seen-*") for line in path.read_text().splitlines())


def test_a_pickle_in_place_of_weights_is_refused_before_it_runs(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    path = tmp_path / "weights.pth"
    torch.save({"weight": Trap()}, path)
    with pytest.raises(WeightsError, match="not plain weights"):
        inception(path, CPU, layer=LAYER)
    assert not (tmp_path / "sprung").exists()


def test_missing_weights_are_an_error_and_never_another_network(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"launch/weights\.py fetch inception"):
        extractor("inception", tmp_path, CPU)


@pytest.mark.parametrize("num", [0, 1])
def test_a_distance_needs_two_pictures_of_each(num: int) -> None:
    with pytest.raises(CartoonError, match="at least two"):
        measure("inception", torch.rand(num, 4), torch.rand(5, 4))


def test_the_frechet_distance_on_main_axes_by_hand() -> None:
    """Two axes: real features vary along one, the other is constant, so one axis is left, where the distance is
    plain."""
    real = torch.tensor([[0.0, 5.0], [2.0, 5.0]])
    generated = torch.tensor([[3.0, 9.0], [5.0, 1.0], [4.0, 5.0]])
    [(value, protocol)] = measure("efficientnet_lite0", generated, real).values()
    # One axis: real has mean 1 and variance 2, generated mean 4 and variance 1.
    assert value == pytest.approx(3**2 + 2 + 1 - 2 * (2 * 1) ** 0.5)
    assert protocol == {"num_axes": 1, "share_of_variance": 1.0}


@pytest.fixture(scope="module")
def classifier() -> efficientnet.EfficientNetLite0:
    path = ROOT / "weights/efficientnet-lite0-57934424.pth"
    if not path.exists():
        pytest.skip("weights/ lacks efficientnet_lite0; make weights fetches it")
    return efficientnet.load_file(str(path))


@pytest.mark.parametrize(("photo", "classes"), [("citrus-fruits", {950, 951}), ("reef-1", {973}), ("life", {979})])
def test_the_classifier_recognises_oranges_and_lemons_a_reef_a_valley(
    classifier: efficientnet.EfficientNetLite0, photo: str, classes: set[int]
) -> None:
    import cv2

    picture = cv2.imread(str(ROOT / f"shards/samples/photos/{photo}.jpg"), cv2.IMREAD_COLOR_RGB)
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    square = cv2.resize(picture[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
    logits = classifier(torch.from_numpy(square).permute(2, 0, 1)[None].contiguous())
    assert int(logits.argmax()) in classes
