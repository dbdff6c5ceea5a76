"""Which pictures count as nearly the same, on the embedded pictures and on drawings."""

from itertools import combinations

import cv2
import numpy as np
import pytest

from cartoon_dist.image.decode import decode
from cartoon_dist.image.perceptual_hash import are_near_duplicates, perceptual_hash
from tests.running import ROOT

SAMPLES = ROOT / "shards" / "samples"
PICTURES = {
    path.name: decode(path.read_bytes(), max_megapixels=10)
    for kind in ("photos", "cartoons")
    for path in sorted((SAMPLES / kind).glob("*.jpg"))
}


def stored_again(picture: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def scaled(picture: np.ndarray, ratio: float) -> np.ndarray:
    return cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("name", PICTURES)
def test_a_copy_is_near(name: str) -> None:
    picture = PICTURES[name]
    original = perceptual_hash(picture)
    for copy in (stored_again(picture, 30), stored_again(picture, 60), scaled(picture, 0.6), scaled(picture, 0.3)):
        assert are_near_duplicates(original, perceptual_hash(copy), num_bits=3)


def test_no_two_embedded_pictures_are_near() -> None:
    hashes = {name: perceptual_hash(picture) for name, picture in PICTURES.items()}
    assert [
        pair for pair in combinations(hashes, 2) if are_near_duplicates(hashes[pair[0]], hashes[pair[1]], num_bits=3)
    ] == []


def test_drawings_on_plain_paper_are_told_apart() -> None:
    drawings = []
    for corner in ((40, 40), (150, 60), (70, 160), (160, 160)):
        paper = np.full((256, 256, 3), 255, np.uint8)
        drawings.append(perceptual_hash(cv2.circle(paper, corner, 22, (200, 30, 30), -1)))
    assert not any(are_near_duplicates(one, other, num_bits=3) for one, other in combinations(drawings, 2))


def test_the_bits_by_hand() -> None:
    # Brighter to the right everywhere, and only one wave (nine half-periods across, none down) stands out.
    ramp = np.repeat(np.tile(np.arange(0, 252, 7, dtype=np.uint8), (36, 1))[..., None], 3, axis=2)
    assert perceptual_hash(ramp) >> 64 == (1 << 64) - 1
    assert perceptual_hash(ramp[:, ::-1]) >> 64 == 0
    assert perceptual_hash(np.zeros((5, 5, 3), np.uint8)) == 0
    assert 0 < perceptual_hash(PICTURES["club.jpg"]) < 1 << 128


@pytest.mark.parametrize(
    ("differing", "near"), [(0b111, True), (0b1111, True), (0b111 << 64, True), (0b1111 << 64, False)]
)
def test_how_many_bits_may_differ(differing: int, near: bool) -> None:  # noqa: FBT001
    original = perceptual_hash(PICTURES["wine.jpg"])
    assert are_near_duplicates(original, original ^ differing, num_bits=3) is near
    assert are_near_duplicates(original, original ^ (1 << 9) - 1, num_bits=3)
    assert not are_near_duplicates(original, original ^ (1 << 10) - 1, num_bits=3)
