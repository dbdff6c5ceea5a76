"""Cartoons have the size of their pictures, whatever it is; which file each is written to."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.inference.batched import Cartoonizer, batch_by_size, pad_sides, torch_cartoonizer
from cartoon_dist.inference.output_paths import output_paths
from cartoon_dist.models.blocks import check_size
from cartoon_dist.models.generator import Generator
from cartoon_dist.models.saliency_net import SaliencyNetwork
from cartoon_dist.tensors import from_bytes

CPU = torch.device("cpu")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


def generator() -> Generator:
    torch.manual_seed(1)
    saliency = SaliencyNetwork(channels=4, out_channels=1, wiring="projection", upsample="resize")
    made = Generator(channels=4, num_blocks=1, upsample="resize", saliency=saliency, attention=True)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made.eval().requires_grad_(requires_grad=False)


def negative(photos: Tensor) -> Tensor:
    """The simplest model: every pixel becomes its negative."""
    check_size(*photos.shape[2:])
    return -photos


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (3, 50), (8, 8), (9, 7), (16, 21), (101, 1)])
def test_any_size_comes_back(shape: tuple[int, int]) -> None:
    picture = noise(*shape, 3)
    for megapixels in (1e-9, 1.0):
        strips = lambda photo, _tell: negative(from_bytes(photo))  # noqa: E731
        [cartoon] = Cartoonizer(generate=negative, generate_large=strips, megapixels=megapixels).cartoonize([picture])
        assert np.array_equal(cartoon, 255 - picture)


def test_padding_is_a_mirror_image() -> None:
    picture = noise(9, 6, 3)
    wider = pad_sides(picture)
    assert wider.shape == (12, 8, 3)
    assert np.array_equal(wider[:9, :6], picture)
    assert np.array_equal(wider[9:, :6], picture[[7, 6, 5]])
    assert np.array_equal(wider[:9, 6:], picture[:, [4, 3]])
    assert (pad_sides(noise(1, 1, 3)) == noise(1, 1, 3)).all()


def test_a_batch_equals_single_pictures_and_strips_equal_one_forward() -> None:
    pictures = [noise(22, 30, 3), noise(24, 32, 3) // 2, noise(21, 29, 3)]
    cartoonizer = torch_cartoonizer(generator(), CPU, megapixels=1)
    in_strips = torch_cartoonizer(generator(), CPU, megapixels=1e-6)
    for picture, cartoon in zip(pictures, cartoonizer.cartoonize(pictures), strict=True):
        assert cartoon.shape == picture.shape
        assert cartoon.std() > 5
        for other in (cartoonizer, in_strips):
            [alone] = other.cartoonize([picture])
            assert np.abs(alone.astype(int) - cartoon).max() <= 1


def test_weights_in_half_precision_run_in_float32() -> None:
    [half] = torch_cartoonizer(generator().half(), CPU, megapixels=1).cartoonize([noise(16, 16, 3)])
    [single] = torch_cartoonizer(generator(), CPU, megapixels=1).cartoonize([noise(16, 16, 3)])
    assert np.abs(half.astype(int) - single).max() <= 3


def test_a_model_without_strips_refuses_what_is_too_large() -> None:
    cartoonizer = Cartoonizer(generate=negative, generate_large=None, megapixels=0.001)
    assert cartoonizer.cartoonize([noise(20, 48, 3)])
    with pytest.raises(PictureError, match=r"use the run or a \.safetensors export"):
        cartoonizer.cartoonize([noise(20, 52, 3)])


def test_a_picture_that_does_not_fit_the_memory() -> None:
    def greedy(photos: Tensor) -> Tensor:
        return photos.new_empty(2**50)

    with pytest.raises(PictureError, match="does not fit the memory"):
        Cartoonizer(generate=greedy, generate_large=None, megapixels=1).cartoonize([noise(8, 8, 3)])


def test_batches_hold_equal_sizes_and_few_pixels() -> None:
    sides = [(8, 8), (16, 16), (5, 7), (8, 12), (16, 13), (64, 64), (8, 8), (8, 8), (16, 16)]
    pictures = [(index, noise(*size, 3)) for index, size in enumerate(sides)]
    made = list(batch_by_size(pictures, max_pixels=256))
    assert sorted(key for batch in made for key, _ in batch) == list(range(len(sides)))
    for batch in made:
        assert len({pad_sides(picture).shape for _, picture in batch}) == 1
        assert len(batch) == 1 or sum(pad_sides(picture)[..., 0].size for _, picture in batch) <= 256
    assert [0, 2, 6, 7] in [[key for key, _ in batch] for batch in made]


def test_few_pictures_wait_for_others_of_their_size() -> None:
    taken = 0

    def many() -> "object":
        nonlocal taken
        for side in range(8, 4000, 4):
            taken += 1
            yield side, np.zeros((8, side, 3), np.uint8)

    first = next(batch_by_size(many(), max_pixels=100_000))  # type: ignore[arg-type]
    assert [key for key, _ in first] == [8]  # the one that waited longest
    assert taken < 700


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def names(source: Path, target: Path) -> dict[str, str]:
    return {output.name: output.path.relative_to(target).as_posix() for output in output_paths(source, target)}


def test_names_are_kept_and_none_is_used_twice(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", "b.JPG", "a.jpg", "a.png", "sub/a.webp", "a.b.bmp", "notes.txt")
    assert names(source, tmp_path / "out") == {
        "a.b.bmp": "a.b.png",
        "a.jpg": "a.jpg.png",
        "a.png": "a.png.png",
        "b.JPG": "b.png",
        "sub/a.webp": "sub/a.png",
    }
    folder(source, "a.jpg.png")  # its cartoon would also be a.jpg.png
    outputs = names(source, tmp_path / "out")
    assert outputs["a.jpg"] == "a.jpg.png"
    assert outputs["a.jpg.png"] == "a.jpg.png.png"
    assert len(set(outputs.values())) == len(outputs)


@pytest.mark.parametrize(
    ("target", "path"),
    [("new", "new/a.png"), ("there", "there/a.png"), ("b.png", "b.png"), ("new.v2", "new.v2/a.png")],
)
def test_a_picture_goes_to_a_file_or_into_a_folder(tmp_path: Path, target: str, path: str) -> None:
    source = folder(tmp_path, "a.jpg", "there/x") / "a.jpg"
    [output] = output_paths(source, tmp_path / target)
    assert output.path == tmp_path / path


@pytest.mark.parametrize(
    ("source", "target", "fault"),
    [
        ("in", "in", "the folder of the pictures"),
        ("in", "in/../in", "the folder of the pictures"),
        ("in", "link", "the folder of the pictures"),
        ("in", "in/out", "inside"),
        ("in", "file", "is a file"),
        ("in/a.png", "in/a.png", "would take the place of"),
        ("in/a.png", "in", "would take the place of"),
        ("in/a.png", "link", "would take the place of"),
        ("in/a.png", "b.tif", "written as JPEG, PNG or WebP"),
        ("in/a.png", "file", "a file of another kind"),
        ("up/x", "up", "would take the place of"),
    ],
)
def test_an_output_that_would_harm_pictures_is_refused(tmp_path: Path, source: str, target: str, fault: str) -> None:
    folder(tmp_path, "in/a.png", "file", "up/x/x/a.png", "up/x/a.png")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(ConfigError, match=fault):
        output_paths(tmp_path / source, tmp_path / target)


def test_no_picture_is_an_error(tmp_path: Path) -> None:
    folder(tmp_path, "in/notes.txt")
    for source, fault in (("in", "no pictures in it"), ("none", "no such picture or folder")):
        with pytest.raises(PictureError, match=fault):
            output_paths(tmp_path / source, tmp_path / "out")
