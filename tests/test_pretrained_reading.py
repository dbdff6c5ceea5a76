"""Reading weights: hostile pickles, both of torch's formats, and the real VGG16 where it has been fetched."""

import hashlib
import os
import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.models import vgg16

from cartoon_dist import pretrained
from cartoon_dist.errors import WeightsError
from cartoon_dist.files.bounded import sha256_of
from cartoon_dist.models.vgg import VGG
from cartoon_dist.pretrained import PretrainedWeights
from cartoon_dist.vgg_layers import feature_positions
from tests.running import ROOT

REAL_FOLDER = Path(os.environ.get("CARTOON_DIST_WEIGHTS") or ROOT / "weights")


class Command:
    """Pickled, it is a call of os.system."""

    def __init__(self, line: str) -> None:
        self.line = line

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.line,)


def test_a_pickle_that_runs_a_command_is_refused_before_it_does(tmp_path: Path) -> None:
    path, mark = tmp_path / "evil.ckpt", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"VGG16_0": Command(f"touch {mark}")}))
    with pytest.raises(WeightsError, match=r"asks for \w+\.system: not plain arrays"):
        pretrained.read_arrays(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())  # the file does attack: the plain unpickler runs it
    assert mark.exists()


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_are_read(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "arrays.ckpt"
    arrays = {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}, "b": np.array([1.5])}
    path.write_bytes(pickle.dumps(arrays, protocol=protocol))
    read = pretrained.read_arrays(path)
    np.testing.assert_array_equal(read["a"]["kernel"], arrays["a"]["kernel"])
    np.testing.assert_array_equal(read["b"], arrays["b"])


def test_kernels_are_transposed_to_torchs_order() -> None:
    """A small network of 13 convolutions: the pixel's worth of each output channel, summed by hand."""
    rng = np.random.default_rng(0)
    widths = [3, *rng.integers(2, 6, 13)]
    arrays = {
        f"Conv_{index}": {"kernel": rng.normal(size=(3, 3, a, b)), "bias": rng.normal(size=b)}
        for index, (a, b) in enumerate(pairwise(widths))
    }
    converted = pretrained.vgg16_convolutions({"VGG16_0": arrays, "NetLinLayer_0": {}})
    assert len(converted) == 26
    for index, position in enumerate(feature_positions("vgg16")):
        stored, kernel = arrays[f"Conv_{index}"], converted[f"features.{position}.weight"]
        picture = rng.normal(size=(3, 3, widths[index]))  # h w c: one pixel and its neighbours
        slow = [
            sum(
                picture[y, x, c] * stored["kernel"][y, x, c, out]
                for y in range(3)
                for x in range(3)
                for c in range(widths[index])
            )
            + stored["bias"][out]
            for out in range(widths[index + 1])
        ]
        nchw = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
        fast = functional.conv2d(nchw, kernel, converted[f"features.{position}.bias"])
        np.testing.assert_allclose(fast.flatten().numpy(), slow, rtol=1e-10)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_of_torchvision_in_both_formats(zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    state = {"features.0.weight": torch.randn(2, 3, 3, 3), "classifier.0.weight": torch.randn(5)}
    path = tmp_path / pretrained.KNOWN_WEIGHTS["vgg19"].file
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    entry = pretrained.KNOWN_WEIGHTS["vgg19"]
    digest = sha256_of(path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    changed = PretrainedWeights(file=entry.file, sha256=digest, source=entry.source, licence=entry.licence)
    monkeypatch.setitem(pretrained.KNOWN_WEIGHTS, "vgg19", changed)
    loaded = pretrained.load_vgg("vgg19", tmp_path)
    assert list(loaded) == ["features.0.weight"]
    assert torch.equal(loaded["features.0.weight"], state["features.0.weight"])


@pytest.fixture(scope="module")
def real_vgg16() -> Path:
    """The folder with the real file."""
    if pretrained.file_state("vgg16", REAL_FOLDER) != "present":
        pytest.skip(f"vgg16 weights are not in {REAL_FOLDER}/; run: python launch/weights.py fetch vgg16")
    return REAL_FOLDER


def test_the_real_vgg16_fits_torchvisions(real_vgg16: Path) -> None:
    loaded = pretrained.load_vgg("vgg16", real_vgg16)
    with torch.device("meta"):
        theirs = vgg16().state_dict()
    shapes = {name: tensor.shape for name, tensor in theirs.items() if name.startswith("features.")}
    assert {name: tensor.shape for name, tensor in loaded.items()} == shapes
    assert all(tensor.dtype == torch.float32 and bool(tensor.isfinite().all()) for tensor in loaded.values())
    VGG(network="vgg16", layer="conv5_3", vgg_input="unit").load(loaded)


def test_the_real_vgg16_gives_what_its_raw_kernels_give(real_vgg16: Path) -> None:
    vgg = VGG(network="vgg16", layer="conv1_1", vgg_input="unit")
    vgg.load(pretrained.load_vgg("vgg16", real_vgg16))
    picture = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)
    fast = vgg(torch.from_numpy(picture).permute(2, 0, 1)[None] * 2 - 1)[0, :, 3, 5].numpy()
    stored = pretrained.read_arrays(real_vgg16 / pretrained.KNOWN_WEIGHTS["vgg16"].file)["VGG16_0"]["Conv_0"]
    slow = stored["bias"].astype(np.float64)
    for y in range(3):
        for x in range(3):
            for c in range(3):
                slow = slow + picture[3 + y - 1, 5 + x - 1, c] * stored["kernel"][y, x, c]
    np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-5)
