"""Numbers that are not finite are refused by name in models, drawings and features, and never stand in scores.json."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CartoonError, CheckpointError, PictureError
from cartoon_dist.export.exported_model import load_onnx
from cartoon_dist.inference.batched import Cartoonist, by_torch
from cartoon_dist.metrics.frechet_kid import measure, measure_all
from cartoon_dist.metrics.generated import drawn
from cartoon_dist.metrics.score_file import Score, checked, read, record
from cartoon_dist.models.generator import Generator
from cartoon_dist.runs.exported import Facts, to_strings


def overflowing() -> Generator:
    """A generator whose weights are finite, and whose drawings are not."""
    generator = Generator(channels=4, num_blocks=1, upsample="resize", saliency=None, attention=False)
    with torch.no_grad():
        for weight in generator.parameters():
            weight.fill_(1e38)
    return generator.eval()


@pytest.mark.parametrize("number", [1.0, math.nan, math.inf])
def test_an_onnx_whose_weights_are_not_finite(tmp_path: Path, number: float) -> None:
    sides = ["photos", 3, "height", "width"]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in ("photo", "generated")]
    weight = numpy_helper.from_array(np.array([number], np.float32), "out.bias")
    shape = numpy_helper.from_array(np.array([2], np.int64), "shape")
    node = helper.make_node("Add", ["photo", "out.bias"], ["generated"])
    graph = helper.make_graph([node], "g", values[:1], values[1:], [weight, shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    facts = Facts(settings=TrainSettings(run_dir="x"), weights="ema", step=1)
    helper.set_model_props(model, to_strings(facts))
    onnx.save(model, tmp_path / "a.onnx")
    if math.isfinite(number):
        assert load_onnx(tmp_path / "a.onnx").facts.step == 1
    else:
        with pytest.raises(CheckpointError, match=r"a\.onnx: out\.bias holds numbers that are not finite"):
            load_onnx(tmp_path / "a.onnx")


def test_a_drawing_that_is_not_finite_is_no_picture() -> None:
    photos = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    picture = photos[0].permute(1, 2, 0).numpy()
    with pytest.raises(PictureError, match="not finite"):
        by_torch(overflowing(), torch.device("cpu"), megapixels=1).draw([picture])

    def strange(some: Tensor) -> Tensor:
        return torch.full_like(some, torch.nan)

    with pytest.raises(PictureError, match="not finite"):
        Cartoonist(whole=strange, strips=None, megapixels=1).draw([picture, picture])
    taken = drawn(lambda numbers: photos[list(numbers)], overflowing(), torch.device("cpu"), torch.float32)
    with pytest.raises(CartoonError, match="draws of photo 1 is not finite"):
        taken([1])


def test_features_without_a_distance_are_refused() -> None:
    some, other = torch.randn(6, 4), torch.randn(7, 4)
    spoilt = other.clone()
    spoilt[2, 1], spoilt[5] = torch.inf, torch.nan
    with pytest.raises(CartoonError, match=r"of 2 of 7 real pictures are not finite.*look at real picture 3"):
        measure("inception", some, spoilt)
    with pytest.raises(CartoonError, match="all 7 real pictures have the same features"):
        measure("efficientnet_lite0", some, other[:1].repeat(7, 1))


def test_halves_of_equal_pictures_are_still_a_distance() -> None:
    real = torch.ones(7, 4)
    real[0] = 2.0
    for value, protocol in measure_all("efficientnet_lite0", torch.randn(6, 4), real, num_subsamples=4).values():
        assert all(math.isfinite(number) for number in (value, *protocol.values()) if isinstance(number, float))


def score(value: float, **protocol: Any) -> Score:
    counts = {"num_generated": 9, "num_real": 7}
    return Score(metric="kid", value=value, features="f", weights_sha256="", step=4, protocol=protocol, **counts)


def strict(constant: str) -> None:
    raise ValueError(constant)


def test_scores_json_never_holds_one(tmp_path: Path) -> None:
    with pytest.raises(CartoonError, match=r"kid of step 4 is nan, .*f, of 9 generated and 7 real"):
        checked([score(1.0), score(math.nan)])
    [found] = checked([score(1.0, deviation=math.nan, seed=3, cut=0.5)])
    assert found.protocol == {"seed": 3, "cut": 0.5}
    path = tmp_path / "scores.json"
    path.write_text(json.dumps([{"metric": "old", "value": math.nan, "protocol": {"share": math.inf}}]))
    record(path, [found])
    held = json.loads(path.read_text(), parse_constant=strict)
    assert held[0] == {"metric": "old", "value": None, "protocol": {"share": None}}
    assert [each["metric"] for each in read(path)] == ["old", "kid"]
