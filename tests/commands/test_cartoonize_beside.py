"""A folder and a film drawn as a GPU draws them, with the recorder that any machine has: the same files, in order, and
the same words where something fails on the way."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cartoon_dist.commands import cartoonize_film, cartoonize_pictures
from cartoon_dist.commands.cartoonize import main
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.config.commands import DrawingSettings
from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.gpu.graphs import TracingRecorder
from cartoon_dist.inference.cuda_drawing import CudaDrawing
from cartoon_dist.inference.load import LoadedModel, load_to_draw
from tests.film.films import moving_shapes, write_film
from tests.inference.test_cuda_drawing import by_torch
from tests.small_model import write_small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "small.safetensors")


class Drawings:
    """The commands draw by torch: as on a GPU, in threads and recorded, or plain. What draws is in `made`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[CudaDrawing] = []
        self.plain = False
        for command in (cartoonize_pictures, cartoonize_film):
            monkeypatch.setattr(command, "load_to_draw", self._load)

    def _load(self, path: Path, settings: DrawingSettings) -> LoadedModel:
        loaded = load_to_draw(path, settings)
        assert loaded.generator is not None
        cartoonizer = by_torch(loaded.generator, megapixels=settings.megapixels)
        if not self.plain:
            pixels = cartoonizer.max_batch_pixels
            drawing = CudaDrawing(
                loaded.generator, loaded.device, torch.float32, max_pixels=pixels, recorder=TracingRecorder()
            )
            self.made.append(drawing)
            cartoonizer = replace(cartoonizer, begin=drawing.begin)
        return replace(loaded, cartoonizer=cartoonizer)


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> Drawings:
    return Drawings(monkeypatch)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve of one size, two of others, and two that cannot be drawn."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(14):
        size = {3: (40, 24), 9: (20, 60)}.get(index, (32, 48))
        pixels = np.random.default_rng(index).integers(0, 256, (*size, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index:02d}.png"), pixels)
    (folder / "05-broken.png").write_bytes((folder / "05.png").read_bytes()[:200])
    (folder / "11-empty.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def words(captured: str) -> list[str]:
    return [line for line in captured.splitlines() if "skipped" in line]


def test_a_folder_is_the_same_files_and_words(
    model: Path,
    photos: Path,
    tmp_path: Path,
    drawings: Drawings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    beside, plain = tmp_path / "beside", tmp_path / "plain"
    small = "megapixels=0.003"  # two of these pictures a batch
    with pytest.raises(PictureError, match="2 of 16 pictures could not be drawn"):
        main([str(model), str(photos), str(beside), small])
    [drawing] = drawings.made
    assert drawing.captured.num_graphs == 1
    said = words(capsys.readouterr().err)
    drawings.plain = True
    with pytest.raises(PictureError):
        main([str(model), str(photos), str(plain), small])
    assert words(capsys.readouterr().err) == said
    assert len(files(plain)) == 14
    assert files(beside) == files(plain)


def test_a_drawing_that_cannot_be_written_ends_the_command(
    model: Path,
    photos: Path,
    tmp_path: Path,
    drawings: Drawings,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == "06.png":
            raise OSError(28, "No space left on device")
        write_atomically(path, content)

    monkeypatch.setattr(cartoonize_pictures, "write_atomically", full)
    with pytest.raises(PictureError, match=r"06\.png: cannot be written \(No space left on device\)"):
        main([str(model), str(photos), str(tmp_path / "out"), "megapixels=0.002"])
    assert not (tmp_path / "out/06.png").exists()
    assert (tmp_path / "out/00.png").exists()


@pytest.mark.parametrize("steady", ["0", "0.9"])
def test_a_film_is_the_same_film(steady: str, model: Path, tmp_path: Path, drawings: Drawings) -> None:
    film = write_film(tmp_path / "film.mp4", moving_shapes(20), sound=False, subtitles=False)
    asked = [f"steady={steady}", "segment=8", "megapixels=0.004", "preset=ultrafast"]  # two frames a batch
    assert main([str(model), str(film), str(tmp_path / "beside.mp4"), *asked]) == EXIT_DONE
    assert drawings.made[0].captured.num_graphs == 1
    drawings.plain = True
    assert main([str(model), str(film), str(tmp_path / "plain.mp4"), *asked]) == EXIT_DONE
    assert (tmp_path / "beside.mp4").read_bytes() == (tmp_path / "plain.mp4").read_bytes()
