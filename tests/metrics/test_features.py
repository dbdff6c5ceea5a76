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
from cartoon_dist.metrics.features import extract_features, load_extractor, load_inception
from cartoon_dist.metrics.frechet_kid import distances
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


def read_pictures(kind: str, indices: Sequence[int]) -> Bytes:
    return pictures(kind)[list(indices)]


class NoisePictures(Dataset[Tensor]):
    """The same pictures as torch-fidelity takes them."""

    def __init__(self, kind: str) -> None:
        self.pictures = pictures(kind)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Tensor:
        return self.pictures[index]


def by_the_reference(weights: Path, layer: str) -> dict[str, float]:
    """torch-fidelity's own call."""
    metrics: dict[str, float] = torch_fidelity.calculate_metrics(
        input1=NoisePictures("generated"),
        input2=NoisePictures("real"),
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
    return metrics


@pytest.fixture(scope="module")
def reference(weights: Path) -> dict[str, float]:
    return by_the_reference(weights, LAYER)


def scored(
    weights: Path, batch_size: int, store: Path | None = None, *, layer: str = LAYER, dies_at: int = -1
) -> dict[str, float]:
    """Both sides' distances, their vectors kept in a folder if one is given. The process kills itself when it is to
    read the generated picture of index `dies_at`."""
    extractor = load_inception(weights, CPU, layer=layer)

    def read(indices: Sequence[int], kind: str) -> Bytes:
        if dies_at in indices and kind == "generated":
            os.kill(os.getpid(), signal.SIGKILL)
        if store:
            with (store / f"seen-{os.getpid()}").open("a") as lines:
                lines.write(f"{kind} {indices[0]}\n")
        return read_pictures(kind, indices)

    sides = [
        extract_features(
            partial(read, kind=kind),
            num,
            extractor,
            batch_size=batch_size,
            store=FeatureStore(store, {"of": kind}) if store else None,
        )
        for kind, num in SIZES.items()
    ]
    return {metric: value for metric, (value, _) in distances("inception", *sides).items()}


@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_one_process_equals_the_reference(weights: Path, reference: dict[str, float], batch_size: int) -> None:
    metrics = scored(weights, batch_size)
    assert metrics["fid"] == reference["frechet_inception_distance"]
    assert metrics["kid"] == reference["kernel_inception_distance_mean"]


# Each process writes a file of its own: on one stream their lines run into each other.
SCORE = """
import json, os, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from cartoon_dist.distributed import collectives
from tests.metrics.test_features import scored
collectives.init_process_group()
store = Path(sys.argv[3]) if sys.argv[3:] else None
metrics = scored(Path(sys.argv[1]), 2 if store else 4, store, layer=os.environ["LAYER"])
Path(sys.argv[2], f"{collectives.rank()}.json").write_text(json.dumps(metrics))
collectives.destroy_process_group()
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
    """The distances on each of several processes."""
    (folder / "score.py").write_text(SCORE)
    done = helper(folder / "score.py", weights, folder, *store, num_processes=num, LAYER=layer)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(num)]


def in_our_names(reference: dict[str, float]) -> dict[str, float]:
    return {"fid": reference["frechet_inception_distance"], "kid": reference["kernel_inception_distance_mean"]}


@pytest.mark.slow
def test_two_processes_equal_the_reference(weights: Path, reference: dict[str, float], tmp_path: Path) -> None:
    assert scored_together(2, weights, tmp_path) == [in_our_names(reference)] * 2


@pytest.mark.slow
def test_two_processes_equal_the_reference_at_the_full_layer(weights: Path, tmp_path: Path) -> None:
    """The 2,048 features that FID is defined by: slow, for their roots of matrices."""
    with threadpool_limits(1):  # numpy rounds eigenvalues of such matrices otherwise on two threads
        expected = in_our_names(by_the_reference(weights, "2048"))
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
    assert blocks_extracted(store) == ["generated 0", "generated 2"]
    assert scored_together(3, weights, tmp_path, store) == [in_our_names(reference)] * 3
    generated = [f"generated {first}" for first in (0, 2, 4, 6)]
    assert blocks_extracted(store) == generated + [f"real {first}" for first in (0, 2, 4, 6, 8)]
    assert scored(weights, 2, store) == in_our_names(reference)
    assert len(blocks_extracted(store)) == 9  # all of them were read from the disk


def blocks_extracted(store: Path) -> list[str]:
    """The blocks that went through the network, of all processes so far."""
    return sorted(line for path in store.glob("seen-*") for line in path.read_text().splitlines())


def test_a_pickle_in_place_of_weights_is_refused_before_it_runs(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    path = tmp_path / "weights.pth"
    torch.save({"weight": Trap()}, path)
    with pytest.raises(WeightsError, match="not plain weights"):
        load_inception(path, CPU, layer=LAYER)
    assert not (tmp_path / "sprung").exists()


def test_missing_weights_are_an_error_and_never_another_network(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"launch/weights\.py fetch inception"):
        load_extractor("inception", tmp_path, CPU)


@pytest.mark.parametrize("num", [0, 1])
def test_a_distance_needs_two_pictures_of_each(num: int) -> None:
    with pytest.raises(CartoonError, match="at least two"):
        distances("inception", torch.rand(num, 4), torch.rand(5, 4))


def test_the_frechet_distance_on_principal_axes_by_hand() -> None:
    """Two axes: real features vary along one, the other is constant, so one axis is left, where the distance is
    plain."""
    real = torch.tensor([[0.0, 5.0], [2.0, 5.0]])
    generated = torch.tensor([[3.0, 9.0], [5.0, 1.0], [4.0, 5.0]])
    [(value, protocol)] = distances("efficientnet_lite0", generated, real).values()
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
