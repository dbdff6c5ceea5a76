"""Pictures and weights in one file that is small enough to travel to a machine without a network.

The pack is a tar: pack.json, `photos/` and `cartoons/` as JPEG with a scenes.csv each, `held_out/` with photos of
scenes that are not among `photos/`, `weights/` in half precision, and the lists of authors and licences that lay beside
the pictures. pack.json holds the size and the hash of each file. Pictures are packed whole and scaled down: the shards
cut them into tiles at several scales, which need no bytes of their own.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from bench.gpu_training.weights import half_copies
from cartoon_dist.data.inputs.scenes import SCENES, read_scenes
from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import read_regular
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.image.encode import encode
from cartoon_dist.image.file_kinds import IMAGE_SUFFIXES

FORMAT = 1
MANIFEST = "pack.json"
QUALITIES = (95, 92, 90, 87, 84, 82, 80, 78, 76, 74, 72, 70)
"""Of JPEG, the best that fits the budget is taken; below the last, pictures are left out."""
HELD_OUT_SHARE = 0.1
"""At most so large a part of the photos' scenes is held out."""
_MAX_MEGAPIXELS = 100.0
_MAX_FILE_BYTES = 200_000_000
_MAX_ASPECT = 3
_TAR_BYTES = 1024
"""What a tar needs for a file beside its content, at most."""


@dataclass(frozen=True, kw_only=True)
class PackChoices:
    """What is to be packed, from where, and how large it may get.

    pictures: a folder with photos/, STYLE/ (or cartoons/), and held_out/ where the photos to draw are chosen by hand.
    short: the short side to which larger pictures are scaled. held_out_side: the long side of the photos to draw.
    max_each: pictures of a kind at most.
    """

    pictures: Path
    style: str
    weights: Path
    max_bytes: int = 49_000_000
    short: int = 384
    held_out: int = 12
    held_out_side: int = 384
    max_each: int = 4000


@dataclass
class Listed:
    """The pictures of a folder in order, each with its scene."""

    paths: list[Path]
    scenes: dict[Path, str] = field(default_factory=dict)


def write_pack(out: Path, choices: PackChoices) -> dict[str, Any]:
    """Write the pack, whole or not at all; what it holds and how large it is. CartoonError says what is missing."""
    photos = listed(choices.pictures / "photos")
    by_name = choices.pictures / choices.style
    cartoons = listed(by_name if by_name.is_dir() else choices.pictures / "cartoons")
    held = _held_out(choices, photos)
    held_scenes = {photos.scenes.get(path) for path in held}
    photos.paths = [path for path in photos.paths if photos.scenes[path] not in held_scenes]
    files = {f"weights/{name}": content for name, content in half_copies(choices.weights).items()}
    files |= _attributions(choices.pictures)
    for number, path in enumerate(held):
        files[f"held_out/{number:02d}-{path.stem}.jpg"] = encode(
            _shrunk(_read(path), choices.held_out_side), "jpg", quality=92
        )
    others = sum(len(content) + _TAR_BYTES for content in files.values()) + _manifest_bytes(photos, cartoons)
    sets = {"photos": evenly(photos, choices.max_each), "cartoons": evenly(cartoons, choices.max_each)}
    quality, scaled = _fitting(sets, choices, choices.max_bytes - others)
    for domain, encoded in scaled.items():
        names = {path: f"{number:05d}-{path.stem}.jpg" for number, path in enumerate(encoded)}
        files |= {f"{domain}/{names[path]}": content for path, content in encoded.items()}
        rows = "".join(f"{_cell(names[path])},{_cell(sets[domain].scenes[path])}\n" for path in encoded)
        files[f"{domain}/{SCENES}"] = f"file,scene\n{rows}".encode()
    facts = {
        "style": choices.style,
        "short": choices.short,
        "quality": quality,
        "photos": len(scaled["photos"]),
        "photo_scenes": len({photos.scenes[path] for path in scaled["photos"]}),
        "cartoons": len(scaled["cartoons"]),
        "cartoon_scenes": len({cartoons.scenes[path] for path in scaled["cartoons"]}),
        "held_out": len(held),
        "megabytes": {
            kind: round(sum(len(content) for name, content in files.items() if name.startswith(f"{kind}/")) / 1e6, 2)
            for kind in ("photos", "cartoons", "held_out", "weights")
        },
    }
    content = tar_bytes(files, facts)
    write_atomically(out, content)
    return facts | {"bytes": len(content)}


def tar_bytes(files: Mapping[str, bytes], facts: Mapping[str, Any]) -> bytes:
    """A tar of the files with their manifest first; the same files always give the same bytes."""
    sizes = {name: [len(content), hashlib.sha256(content).hexdigest()] for name, content in files.items()}
    manifest = json.dumps({"format": FORMAT, "facts": facts, "files": sizes}).encode()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in {MANIFEST: manifest, **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def listed(folder: Path) -> Listed:
    """The pictures of a folder and of those in it, with the scenes of the folder's scenes.csv; PictureError without."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not paths:
        raise PictureError(f"{folder}: holds no pictures; name a folder with photos/ and the cartoons of a style")
    named = read_scenes(folder)
    return Listed(paths, {path: named.get(name := path.relative_to(folder).as_posix(), name) for path in paths})


def evenly(pictures: Listed, most: int) -> Listed:
    """At most so many of the pictures: scene after scene gives one, until there are enough."""
    by_scene: dict[str, list[Path]] = {}
    for path in pictures.paths:
        by_scene.setdefault(pictures.scenes[path], []).append(path)
    rounds = max(map(len, by_scene.values()), default=0)
    turns = [of[turn] for turn in range(rounds) for of in by_scene.values() if turn < len(of)]
    return Listed(sorted(turns[:most]), pictures.scenes)


def _held_out(choices: PackChoices, photos: Listed) -> list[Path]:
    """The photos of held_out/, or the first of some scenes, chosen by the hash of their names."""
    chosen = choices.pictures / "held_out"
    if chosen.is_dir():
        return listed(chosen).paths[: choices.held_out]
    scenes = sorted(set(photos.scenes.values()), key=lambda scene: hashlib.sha256(f"held/{scene}".encode()).digest())
    num = max(1, min(choices.held_out, int(len(scenes) * HELD_OUT_SHARE)))
    return [next(path for path in photos.paths if photos.scenes[path] == scene) for scene in scenes[:num]]


def _fitting(
    sets: Mapping[str, Listed], choices: PackChoices, max_bytes: int
) -> tuple[int, dict[str, dict[Path, bytes]]]:
    """The pictures as JPEG in the best quality that fits; in the lowest, as many as fit."""
    scaled = {
        domain: {path: _scaled(_read(path), choices.short) for path in pictures.paths}
        for domain, pictures in sets.items()
    }

    def encoded_with(quality: int) -> dict[str, dict[Path, bytes]]:
        return {
            domain: {path: _jpeg(pixels, quality, full_colours=domain == "cartoons") for path, pixels in of.items()}
            for domain, of in scaled.items()
        }

    encoded = encoded_with(QUALITIES[-1])
    if _size(encoded) <= max_bytes:
        # The best that fits lies in QUALITIES[low:high + 1]; each try halves what is left, and encodes all pictures.
        low, high = 0, len(QUALITIES) - 1
        while low < high:
            middle = (low + high) // 2
            tried = encoded_with(QUALITIES[middle])
            if _size(tried) <= max_bytes:
                encoded, high = tried, middle
            else:
                low = middle + 1
        return QUALITIES[high], encoded
    while _size(encoded) > max_bytes:
        share = 0.98 * max_bytes / _size(encoded)
        for domain, of in encoded.items():
            kept = evenly(Listed(list(of), sets[domain].scenes), int(len(of) * share))
            if not kept.paths:
                raise PictureError(f"{choices.max_bytes} bytes: leave no room for {domain}; allow more")
            encoded[domain] = {path: of[path] for path in kept.paths}
    return QUALITIES[-1], encoded


def _jpeg(picture: Picture, quality: int, *, full_colours: bool) -> bytes:
    """Of cartoons colours are kept in full resolution, as edges are learned from them; of photos in half, as cameras
    store them."""
    file = io.BytesIO()
    subsampling = 0 if full_colours else 2
    Image.fromarray(picture).save(
        file, "JPEG", quality=quality, subsampling=subsampling, optimize=True, progressive=True
    )
    return file.getvalue()


def _size(encoded: Mapping[str, Mapping[Path, bytes]]) -> int:
    return sum(len(content) + _TAR_BYTES for of in encoded.values() for content in of.values())


def _manifest_bytes(*sets: Listed) -> int:
    return 10_000 + sum(150 + 3 * len(path.name) + len(of.scenes[path]) for of in sets for path in of.paths)


def _read(path: Path) -> Picture:
    try:
        return decode(read_regular(path, max_bytes=_MAX_FILE_BYTES), max_megapixels=_MAX_MEGAPIXELS)
    except (PictureError, OSError) as error:
        raise PictureError(f"{path}: {error}") from None


def _scaled(picture: Picture, short: int) -> Picture:
    """The picture with a short side of at most so many pixels, and of a panorama its middle."""
    height, width = picture.shape[:2]
    scale = min(1.0, short / min(height, width))
    size = round(width * scale), round(height * scale)
    smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    most = _MAX_ASPECT * min(size)
    left, top = (max(0, side - most) // 2 for side in size)
    return np.ascontiguousarray(smaller[top : top + most, left : left + most], np.uint8)


def _shrunk(picture: Picture, side: int) -> Picture:
    """The picture with no side longer than so many pixels, both multiples of 4, as the networks draw them whole."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(4, round(width * scale / 4) * 4), max(4, round(height * scale / 4) * 4)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _attributions(folder: Path) -> dict[str, bytes]:
    """The lists of authors and licences beside the pictures, in their folders' names."""
    found: Sequence[Path] = [
        path
        for pattern in ("*ATTRIBUTION*", "*LICEN*", "*licen*", "*attribution*")
        for place in (folder, *(below for below in folder.iterdir() if below.is_dir()))
        for path in sorted(place.glob(pattern))
        if path.is_file() and path.suffix.lower() not in IMAGE_SUFFIXES
    ]
    return {
        f"attribution/{path.relative_to(folder).as_posix().replace('/', '-')}": read_regular(path, max_bytes=5_000_000)
        for path in found
    }


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
