"""Exported generators beside the trained one."""

import math
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import onnx
import pytest
import torch

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.export.exporter import HALF_TOLERANCE, compare, export_generator, load_exported
from cartoon_dist.inference.onnx_generator import load_onnx
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.runs import networks_from_config
from cartoon_dist.runs.export_file import ExportMetadata
from cartoon_dist.runs.trained import TrainedGenerator
from cartoon_dist.tensors import from_bytes

VARIANTS = [[], ["upsample=resize", "model.attention=none", "model.saliency=sal"], ["model.residual=identity"]]
VARIANTS += [[f"method={method}", "model.saliency=none", "model.attention=none"] for method in ("animegan", "whitebox")]
AS_FLOAT64 = VARIANTS[1]
"""The variant that is float64 when it is exported: tracing takes seconds, so no other test does it."""


@pytest.fixture(autouse=True)
def _no_shape_checks() -> Iterator[None]:
    """The exporter traces with symbols for sizes, which shape checks would fix."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", value=True)
    yield
    jaxtyping.config.update("jaxtyping_disable", value=before)


def made(*words: str) -> TrainedGenerator:
    """A generator whose weights are large enough for its output to be far from grey."""
    small = ["model.channels=4", "model.num_blocks=1", *words]
    settings = read(TrainSettings, [], small, run_dir="runs/a")
    generator = networks_from_config.initial_networks(settings)["generator"]
    assert isinstance(generator, CartoonGenerator)
    shaken = torch.Generator().manual_seed(0)
    for parameter in generator.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=shaken) * 0.1)
    generator.eval().requires_grad_(requires_grad=False)
    return TrainedGenerator(generator=generator, settings=settings, weights="ema", step=3, sha256="0", source=Path("x"))


def names_no_file_of_this_machine(content: bytes) -> None:
    """Also that its batch, height and width are free."""
    assert b".py" not in content
    assert b"/" + Path.cwd().parts[1].encode() + b"/" not in content
    sizes = onnx.load_model_from_string(content).graph.input[0].type.tensor_type.shape.dim
    assert [bool(size.dim_param) for size in sizes] == [True, False, True, True]


def photos(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
@pytest.mark.parametrize("words", VARIANTS)
def test_onnxruntime_equals_torch_at_any_size(tmp_path: Path, words: list[str]) -> None:
    source = made(*words)
    dtype = torch.float64 if words is AS_FLOAT64 else torch.float32
    source.generator.to(dtype)
    comparison = export_generator(source, tmp_path / "a.onnx", photos(1, 3, 32, 24))
    assert comparison.sizes == ((32, 24), (16, 8))
    assert 0 < comparison.difference < 1e-4
    assert next(source.generator.parameters()).dtype == dtype  # the trained one is as it was
    source.generator.float()
    names_no_file_of_this_machine((tmp_path / "a.onnx").read_bytes())
    generate = load_onnx(tmp_path / "a.onnx")
    assert not generate.session.get_session_options().enable_mem_pattern  # a plan for each size would be kept for good
    assert (generate.facts.step, generate.facts.weights, generate.facts.settings.model) == (
        3,
        "ema",
        source.settings.model,
    )
    for shape in ((1, 3, 8, 8), (3, 3, 40, 36), (1, 3, 8, 100)):
        photo = from_bytes(photos(*shape))
        expected = source.generator(photo).generated
        assert expected.std() > 0.1  # not a flat picture, which anything would match
        torch.testing.assert_close(generate(photo), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_safetensors_gives_the_same_bits(tmp_path: Path, dtype: torch.dtype) -> None:
    source = made()
    source.generator.to(dtype)
    assert export_generator(source, tmp_path / "a.safetensors", photos(1, 3, 32, 24)).difference == 0


def test_half_precision_is_half_the_file_and_near_the_trained_one(tmp_path: Path) -> None:
    out = tmp_path / "a.safetensors"
    source, photo = made("method=whitebox", "model.saliency=none", "model.attention=none"), photos(1, 3, 32, 24)
    export_generator(source, out, photo)
    whole = out.stat().st_size
    comparison = export_generator(source, out, photo, precision="fp16")
    assert 0 < comparison.difference <= HALF_TOLERANCE
    assert comparison.precision == "fp16"
    num_parameters = sum(parameter.numel() for parameter in source.generator.parameters())
    assert whole - out.stat().st_size == pytest.approx(2 * num_parameters, abs=16)
    assert load_exported(out)(from_bytes(photo)).dtype == torch.float32
    with pytest.raises(CheckpointError, match="onnx is written in float32"):
        export_generator(source, tmp_path / "a.onnx", photo, precision="fp16")


@pytest.mark.parametrize(
    ("spoilt", "said"), [(0.0, "not written: its drawings differ"), (math.nan, "holds numbers that are not finite")]
)
def test_an_export_that_differs_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: float, said: str
) -> None:
    """The writer spoils the weights: the file is compared as it is read back."""
    from cartoon_dist.export import exporter as module

    original = module.to_safetensors

    def lossy(tensors: dict[str, torch.Tensor], facts: ExportMetadata) -> bytes:
        return original({name: tensor * spoilt for name, tensor in tensors.items()}, facts)

    (tmp_path / "a.safetensors").write_bytes(b"the one before")
    monkeypatch.setattr(module, "to_safetensors", lossy)
    with pytest.raises(CheckpointError, match=said):
        export_generator(made(), tmp_path / "a.safetensors", photos(1, 3, 16, 16))
    assert (tmp_path / "a.safetensors").read_bytes() == b"the one before"


def test_a_size_frozen_into_a_graph_is_found() -> None:
    source = made()

    def frozen(photo: torch.Tensor) -> torch.Tensor:
        if photo.shape[2:] != (32, 32):
            photo = torch.nn.functional.interpolate(photo, (32, 32))
            return torch.nn.functional.interpolate(source.generator(photo).generated, (16, 8))
        return source.generator(photo).generated

    assert compare(source, frozen, photos(1, 3, 32, 32)).difference > 0.01


def test_another_suffix_or_place(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"name it \.safetensors or \.onnx"):
        export_generator(made(), tmp_path / "a.pt", photos(1, 3, 16, 16))
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        export_generator(made(), tmp_path / "file/a.safetensors", photos(1, 3, 16, 16))


@pytest.mark.parametrize("content", [b"", b"no protobuf at all", b"\x80\x04K\x01."])
def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.onnx: is no .*launch/export"):
        load_exported(tmp_path / "a.onnx")


def test_other_peoples_onnx_is_refused(tmp_path: Path) -> None:
    graph = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "a.onnx")
    with pytest.raises(CheckpointError, match="no generator of ours"):
        load_onnx(tmp_path / "a.onnx")
