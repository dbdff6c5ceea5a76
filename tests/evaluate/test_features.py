"""Features and scores on one process and on two, against torch-fidelity's own call, bit for bit."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
import torch_fidelity
from running import ROOT, environment
from torch import Tensor
from torch.utils.data import Dataset
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from cartoon_dist.errors import CartoonError, WeightsError
from cartoon_dist.evaluate import efficientnet
from cartoon_dist.evaluate.features import extractor, features, inception
from cartoon_dist.evaluate.scores import measure
from cartoon_dist.tensors import Bytes

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


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inception with random weights, as a file of torch-fidelity's format."""
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.manual_seed(0)
    torch.save({}, path)
    with patch.object(FeatureExtractorInceptionV3, "load_state_dict"):  # there is no way to have one without a file
        blank = FeatureExtractorInceptionV3("inception-v3-compat", [LAYER], feature_extractor_weights_path=str(path))
    torch.save(blank.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def reference(weights: Path) -> dict[str, float]:
    """torch-fidelity's own call."""
    found: dict[str, float] = torch_fidelity.calculate_metrics(
        input1=Held("generated"),
        input2=Held("real"),
        fid=True,
        kid=True,
        feature_layer_fid=LAYER,
        feature_layer_kid=LAYER,
        kid_subset_size=min(SIZES.values()),
        feature_extractor_weights_path=str(weights),
        cuda=False,
        save_cpu_ram=True,
        batch_size=4,
        verbose=False,
    )
    return found


def scored(weights: Path, batch_size: int) -> dict[str, float]:
    seen_by = inception(weights, CPU, layer=LAYER)
    sides = [
        features(lambda numbers, kind=kind: by_numbers(kind, numbers), num, seen_by, batch_size=batch_size)
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
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from cartoon_dist import distributed
from test_features import scored
distributed.join()
found = scored(Path(sys.argv[1]), 4)
Path(sys.argv[2], f"{distributed.rank()}.json").write_text(json.dumps(found))
distributed.leave()
"""


def test_two_processes_equal_the_reference(weights: Path, reference: dict[str, float], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    (tmp_path / "score.py").write_text(SCORE)
    done = subprocess.run(
        [*command, str(tmp_path / "score.py"), str(weights), str(tmp_path)],
        env=environment() | {"PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'tests/evaluate'}"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    expected = {
        "fid": reference["frechet_inception_distance"],
        "kid": reference["kernel_inception_distance_mean"],
    }
    assert found == [expected, expected]


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
