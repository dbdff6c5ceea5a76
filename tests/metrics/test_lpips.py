"""LPIPS against torch-fidelity's, with the registry's weights in both; and weighted by a label, by hand."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import nn
from torch_fidelity import sample_similarity_lpips as theirs

from cartoon_dist.errors import WeightsError
from cartoon_dist.files.array_pickle import read_arrays
from cartoon_dist.metrics.lpips import LPIPS, load_lpips, lpips_and_salient
from cartoon_dist.pretrained import vgg16_convolutions
from tests.running import ROOT

CPU = torch.device("cpu")
WEIGHTS = ROOT / "weights"


@pytest.fixture(scope="module")
def ours() -> LPIPS:
    if not (WEIGHTS / "vgg16.ckpt").exists():
        pytest.skip("weights/ lacks vgg16; make weights fetches it")
    return load_lpips(WEIGHTS, CPU)


@pytest.fixture(scope="module")
def reference(ours: LPIPS) -> nn.Module:  # noqa: ARG001  skipped as it is
    """torch-fidelity's own, given the weights it would download."""
    arrays = read_arrays(WEIGHTS / "vgg16.ckpt")
    lines = {
        f"lin{n}.model.1.weight": torch.from_numpy(
            np.ascontiguousarray(arrays[f"NetLinLayer_{n}"]["Conv_0"]["kernel"].transpose(3, 2, 0, 1))
        )
        for n in range(5)
    }
    import torchvision

    blank = torchvision.models.vgg16(weights=None)
    blank.features.load_state_dict(
        {name.removeprefix("features."): tensor for name, tensor in vgg16_convolutions(arrays).items()}
    )
    with (
        patch.object(theirs, "load_state_dict_from_url", lambda *_, **__: lines),
        patch.object(theirs, "torchvision_load_pretrained_vgg16", lambda: blank),
    ):
        return theirs.SampleSimilarityLPIPS("lpips-vgg16")


@torch.no_grad()
def test_it_equals_the_reference(ours: LPIPS, reference: nn.Module) -> None:
    random = torch.Generator().manual_seed(0)
    one = torch.randint(256, (3, 3, 64, 64), generator=random, dtype=torch.uint8)
    other = (one.float() * 0.7 + 20).round().to(torch.uint8)
    other[2] = one[2]
    whole, _ = lpips_and_salient(ours(one / 127.5 - 1, other / 127.5 - 1), torch.ones(3, 1, 64, 64))
    assert whole.tolist() == pytest.approx(reference(one, other).tolist(), rel=1e-4, abs=1e-7)
    assert whole[0] > 0.01
    assert whole[2] == 0


def test_the_label_weights_the_differences() -> None:
    # Two layers: one of 2x2 places, one of a single place.
    layers = [torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([[[[10.0]]]])]
    label = -torch.ones(1, 1, 4, 4)
    whole, salient = lpips_and_salient(layers, label)  # nowhere salient: everywhere alike
    assert whole.item() == salient.item() == pytest.approx(12.5)
    label[..., :2, 2:] = 1.0  # the upper right quarter
    whole, salient = lpips_and_salient(layers, label)
    assert whole.item() == pytest.approx(12.5)
    assert salient.item() == pytest.approx(2.0 + 10.0, abs=1e-4)
    label[..., 2:, 2:] = 0.0  # and, half as much, the lower right
    assert lpips_and_salient(layers, label)[1].item() == pytest.approx((2 * 1 + 4 * 0.5) / 1.5 + 10, abs=1e-4)


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="fetch vgg16"):
        load_lpips(tmp_path, CPU)
