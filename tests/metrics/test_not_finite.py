"""Values that are not finite are refused by name in models, generated pictures and features, and never written to
scores.json."""

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
from cartoon_dist.inference.batched import Cartoonizer, torch_cartoonizer
from cartoon_dist.inference.onnx_generator import load_onnx
from cartoon_dist.metrics.frechet_kid import distances, distances_with_uncertainty
from cartoon_dist.metrics.generated import generated_pictures
from cartoon_dist.metrics.score_file import Score, read_scores, record_scores, require_finite_scores
from cartoon_dist.models.generator import Generator
from cartoon_dist.runs.export_file import ExportMetadata, to_strings


def overflowing() -> Generator:
    """A generator whose weights are finite, and whose pictures are not."""
    generator = Generator(channels=4, num_blocks=1, upsample="resize", saliency=None, attention=False)
    with torch.no_grad():
        for weight in generator.parameters():
            weight.fill_(1e38)
    return generator.eval()


@pytest.mark.parametrize("value", [1.0, math.nan, math.inf])
def test_an_onnx_whose_weights_are_not_finite(tmp_path: Path, value: float) -> None:
    sides = ["photos", 3, "height", "width"]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in ("photo", "generated")]
    weight = numpy_helper.from_array(np.array([value], np.float32), "out.bias")
    shape = numpy_helper.from_array(np.array([2], np.int64), "shape")
    node = helper.make_node("Add", ["photo", "out.bias"], ["generated"])
    graph = helper.make_graph([node], "g", values[:1], values[1:], [weight, shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    facts = ExportMetadata(settings=TrainSettings(run_dir="x"), weights="ema", step=1)
    helper.set_model_props(model, to_strings(facts))
    onnx.save(model, tmp_path / "a.onnx")
    if math.isfinite(value):
        assert load_onnx(tmp_path / "a.onnx").facts.step == 1
    else:
        with pytest.raises(CheckpointError, match=r"a\.onnx: out\.bias holds numbers that are not finite"):
            load_onnx(tmp_path / "a.onnx")


def test_a_generated_picture_that_is_not_finite_is_refused() -> None:
    photos = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    picture = photos[0].permute(1, 2, 0).numpy()
    with pytest.raises(PictureError, match="not finite"):
        torch_cartoonizer(overflowing(), torch.device("cpu"), megapixels=1).cartoonize([picture])

    def strange(some: Tensor) -> Tensor:
        return torch.full_like(some, torch.nan)

    with pytest.raises(PictureError, match="not finite"):
        Cartoonizer(generate=strange, generate_large=None, megapixels=1).cartoonize([picture, picture])
    taken = generated_pictures(lambda indices: photos[list(indices)], overflowing(), torch.device("cpu"), torch.float32)
    with pytest.raises(CartoonError, match="draws of photo 1 is not finite"):
        taken([1])


def test_features_without_a_distance_are_refused() -> None:
    some, other = torch.randn(6, 4), torch.randn(7, 4)
    spoilt = other.clone()
    spoilt[2, 1], spoilt[5] = torch.inf, torch.nan
    with pytest.raises(CartoonError, match=r"of 2 of 7 real pictures are not finite.*look at real picture 3"):
        distances("inception", some, spoilt)
    with pytest.raises(CartoonError, match="all 7 real pictures have the same features"):
        distances("efficientnet_lite0", some, other[:1].repeat(7, 1))


def test_halves_of_equal_pictures_are_still_a_distance() -> None:
    real = torch.ones(7, 4)
    real[0] = 2.0
    metrics = distances_with_uncertainty("efficientnet_lite0", torch.randn(6, 4), real, num_subsamples=4)
    for value, protocol in metrics.values():
        assert all(math.isfinite(number) for number in (value, *protocol.values()) if isinstance(number, float))


def score(value: float, **protocol: Any) -> Score:
    counts = {"num_generated": 9, "num_real": 7}
    return Score(metric="kid", value=value, features="f", weights_sha256="", step=4, protocol=protocol, **counts)


def strict(constant: str) -> None:
    raise ValueError(constant)


def test_scores_json_never_holds_a_value_that_is_not_finite(tmp_path: Path) -> None:
    with pytest.raises(CartoonError, match=r"kid of step 4 is nan, .*f, of 9 generated and 7 real"):
        require_finite_scores([score(1.0), score(math.nan)])
    [finite] = require_finite_scores([score(1.0, deviation=math.nan, seed=3, cut=0.5)])
    assert finite.protocol == {"seed": 3, "cut": 0.5}
    path = tmp_path / "scores.json"
    path.write_text(json.dumps([{"metric": "old", "value": math.nan, "protocol": {"share": math.inf}}]))
    record_scores(path, [finite])
    scores = json.loads(path.read_text(), parse_constant=strict)
    assert scores[0] == {"metric": "old", "value": None, "protocol": {"share": None}}
    assert [entry["metric"] for entry in read_scores(path)] == ["old", "kid"]
