"""Strips by onnxruntime: every model, heights of all kinds, statistics of the whole picture."""

import pytest
import torch

from cartoon_dist.inference.onnx_strips import OnnxPass
from cartoon_dist.inference.strip_plan import Computed, Strip
from cartoon_dist.inference.tiled import generate_in_strips
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.tensors import from_bytes, to_bytes
from tests.inference.networks import KINDS, noise_photo, small_generator


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_model_equals_its_forward(kind: str) -> None:
    made, photo = small_generator(kind), noise_photo(44, 20)
    output: GeneratorOutput = made(photo)
    assert output.generated.std() > 0.05
    for rows in (12, 44):
        assert torch.allclose(
            generate_in_strips(made, photo, rows=rows, by_onnxruntime=True), output.generated, atol=2e-4
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["identity transposed cbam", "animegan", "whitebox reflect", "whitebox zeros"])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 40), (60, 12)])
def test_all_heights_of_picture_and_strip(kind: str, height: int, width: int) -> None:
    made, photo = small_generator(kind), noise_photo(height, width)
    output: GeneratorOutput = made(photo)
    for rows in (3, 5, 1000):
        drawn = generate_in_strips(made, photo, rows=rows, by_onnxruntime=True)
        assert torch.allclose(drawn, output.generated, atol=2e-3 if min(height, width) == 8 else 2e-4)


def test_one_bright_pixel_changes_every_strip() -> None:
    """The largest value of a channel, and its mean, are those of the whole picture."""
    made, dark = small_generator("projection resize cbam"), torch.full((1, 3, 64, 16), -0.9)
    bright = dark.clone()
    bright[:, :, 62, 3] = 1
    before, after = (generate_in_strips(made, photo, rows=8, by_onnxruntime=True) for photo in (dark, bright))
    assert (before - after)[:, :, :16].abs().max() > 1e-3
    output: GeneratorOutput = made(bright)
    assert torch.allclose(after, output.generated, atol=1e-3)


def test_a_photos_bytes_are_drawn_as_its_numbers() -> None:
    made = small_generator("projection resize cbam")
    photo = to_bytes(noise_photo(40, 24))
    by_bytes, by_numbers = (
        generate_in_strips(made, one, rows=16, by_onnxruntime=True) for one in (photo, from_bytes(photo))
    )
    assert torch.allclose(by_bytes, by_numbers, atol=1e-5)


@pytest.mark.parametrize("kind", ["projection resize cbam", "whitebox reflect"])
def test_strips_that_threads_compute_are_those_of_one(kind: str) -> None:
    made, photo = small_generator(kind), noise_photo(60, 24)
    drawn = {}
    for num_threads in (1, 2, 5):
        torch.set_num_threads(num_threads)
        drawn[num_threads] = generate_in_strips(made, photo, rows=8, by_onnxruntime=True)
    assert torch.equal(drawn[1], drawn[2])
    assert torch.allclose(drawn[1], drawn[5], atol=1e-6)  # two threads for a strip may add up in another order


def test_a_strip_that_fails_in_a_thread_ends_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    original, strips = OnnxPass.strip, []

    def fails(self: OnnxPass, strip: Strip) -> Computed:
        strips.append(strip)
        if len(strips) == 4:
            raise MemoryError("no memory for a strip")
        return original(self, strip)

    monkeypatch.setattr(OnnxPass, "strip", fails)
    torch.set_num_threads(2)
    with pytest.raises(MemoryError, match="no memory for a strip"):
        generate_in_strips(small_generator("projection resize cbam"), noise_photo(60, 24), rows=8, by_onnxruntime=True)
    assert len(strips) <= 6, "no further strip was begun than were under way"
