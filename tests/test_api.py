"""Three lines of Python: any kind of picture in, the same kind out, equal to what the command draws."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cartoon_dist
from cartoon_dist import load
from cartoon_dist.api import Cartoonize
from cartoon_dist.built_in import FILE
from cartoon_dist.commands import cartoonize as command
from cartoon_dist.errors import CheckpointError, ConfigError, PictureError
from tests.running import ROOT, environment
from tests.small_model import write_small_model

PHOTOS = sorted((ROOT / "shards/samples/photos").glob("*.jpg"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.fixture(scope="module")
def cartoonize(model: Path) -> Cartoonize:
    return load(model)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


def command_draws(model: Path, source: Path, target: Path) -> Path:
    assert command.main([str(model), str(source), str(target)]) == 0
    return target


def test_a_drawing_equals_the_command_s_in_every_pixel(cartoonize: Cartoonize, model: Path, tmp_path: Path) -> None:
    drawn = np.asarray(Image.open(command_draws(model, PHOTOS[0], tmp_path / "drawn.png")))
    assert drawn.std() > 10  # not a flat picture, which anything would equal
    decoded = np.asarray(Image.open(PHOTOS[0]).convert("RGB"))
    assert np.abs(drawn.astype(int) - decoded).mean() > 10  # nor the photo
    by_path = cartoonize(PHOTOS[0])
    assert isinstance(by_path, Image.Image)
    for drawing in (by_path, cartoonize(str(PHOTOS[0])), cartoonize(Image.open(PHOTOS[0])), cartoonize(decoded)):
        assert np.array_equal(np.asarray(drawing), drawn)


def test_a_list_equals_the_command_s_drawings_of_a_folder(cartoonize: Cartoonize, model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    arrays = [noise(20 + 4 * (number % 3), 28, 3) for number in range(9)]
    paths = [tmp_path / f"in/{number}.png" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        Image.fromarray(array).save(path)
    command_draws(model, tmp_path / "in", tmp_path / "out")
    expected = [np.asarray(Image.open(tmp_path / "out" / path.name)) for path in paths]
    for drawings in (
        cartoonize(arrays),
        cartoonize(tuple(arrays)),
        cartoonize(paths),
        cartoonize([*map(Image.open, paths)]),
    ):
        assert isinstance(drawings, list)
        assert len(drawings) == len(expected)
        assert all(np.array_equal(one, other) for one, other in zip(drawings, expected, strict=True))


def test_the_kind_that_went_in_comes_out(cartoonize: Cartoonize, tmp_path: Path) -> None:
    Image.fromarray(noise(9, 13, 3)).save(tmp_path / "a.png")
    mixed: list[Any] = [
        noise(9, 13),
        noise(9, 13, 4),
        Image.new("LA", (13, 9)),
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
    ]
    drawings = cartoonize(mixed)
    assert [type(drawing) for drawing in drawings] == [np.ndarray, np.ndarray, *[Image.Image] * 3]
    assert all(np.asarray(drawing).shape == (9, 13, 3) for drawing in drawings)
    assert all(np.asarray(drawing).dtype == np.uint8 for drawing in drawings)
    assert cartoonize([]) == []


def test_an_iterator_is_drawn_while_it_is_read_in_order_and_within_bounds(model: Path) -> None:
    cartoonize = load(model, megapixels=0.001)  # 16,000 pixels are read before they are drawn
    num_read = 0

    def pictures() -> Iterator[np.ndarray]:
        nonlocal num_read
        for number in range(200):
            num_read += 1
            yield noise(16 if number % 2 else 24, 16, 3)

    drawings = cartoonize(pictures())
    assert num_read == 0
    num_drawn = 0
    for number, drawing in enumerate(drawings):
        assert drawing.shape == (16 if number % 2 else 24, 16, 3)
        num_drawn += 1
        assert num_read - num_drawn <= 16_000 // (16 * 16) + 1
    assert num_drawn == 200


def test_the_first_picture_that_cannot_be_drawn_is_named(cartoonize: Cartoonize, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"broken\.jpg: "):
        cartoonize(tmp_path / "broken.jpg")
    with pytest.raises(PictureError, match=r"none\.jpg: cannot be read"):
        cartoonize([noise(9, 9, 3), str(tmp_path / "none.jpg")])
    drawings = cartoonize(iter([noise(9, 9, 3), noise(9, 9, 3), np.zeros((2, 2)), noise(9, 9, 3)]))
    assert [next(drawings).shape, next(drawings).shape] == [(9, 9, 3)] * 2
    with pytest.raises(PictureError, match="picture 3: its numbers are float64; give uint8"):
        next(drawings)


def test_settings_are_checked_and_kept(model: Path) -> None:
    cartoonize = load(model, device="cpu", precision="bf16", megapixels=2, max_megapixels=0.001)
    assert cartoonize.source == model
    assert (cartoonize.settings.device, cartoonize.settings.precision, cartoonize.settings.megapixels) == (
        "cpu",
        "bf16",
        2,
    )
    assert repr(cartoonize) == f"<Cartoonize {model}, device=cpu, precision=bf16>"
    with pytest.raises(PictureError, match=r"40 x 30 pixels are more than max_megapixels=0\.001"):
        cartoonize(noise(30, 40, 3))
    wrong: dict[str, Any] = {"device": "tpu", "precision": "int8", "megapixels": -1}
    with pytest.raises(ConfigError, match=r"device: .*; precision: .*; megapixels: "):
        load(model, **wrong)
    with pytest.raises(CheckpointError, match="there is no such run, checkpoint or export"):
        load("nothing-of-the-kind")


def test_without_a_model_the_built_in_one_draws() -> None:
    cartoonize = load()
    assert cartoonize.source == FILE
    drawing = cartoonize(noise(40, 36, 3))
    assert drawing.shape == (40, 36, 3)
    assert drawing.std() > 0


def test_several_threads_draw_as_one_does(cartoonize: Cartoonize) -> None:
    pictures = [noise(24, 32 + 4 * number, 3) for number in range(6)]
    expected = cartoonize(pictures)
    drawn: dict[int, np.ndarray] = {}

    def draw(number: int) -> None:
        drawn[number] = cartoonize(pictures[number])

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(drawn[number], expected[number]) for number in range(len(pictures)))


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, cartoon_dist; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules), 'too much'"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert cartoon_dist.__all__ == ["__version__", "load"]
    with pytest.raises(AttributeError, match="has no attribute 'save'"):
        _ = cartoon_dist.save
