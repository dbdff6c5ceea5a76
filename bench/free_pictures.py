"""The free pictures of docs/results.md, from Debian's packages: `python -m bench.free_pictures OUT`.

Writes OUT/photos (landscapes, plants, animals, a few buildings) and OUT/cartoons (the scenes of two visual novels, with
their characters before them as the game shows them). Nothing is installed. Do not commit the pictures:
their licences are free but many. Needs apt-get and dpkg-deb.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.ratios import show
from cartoon_dist.image.decode import Picture, decode

SHORT_SIDE, MAX_MEGAPIXELS = 512, 200.0
PHOTOS = {
    "lomiri-wallpapers-16.04": (
        "Bridge_by* Dragonfly_by* Picture_0B_by* Picture_1A_by* Wine_by* aitzgorri_by* free_by* friends_by* "
        "greentock_by* life_by* picosdeeuropa_by* seeding_by* sunset_by*"
    ),
    "lomiri-wallpapers-20.04": "Kleiber_by*",
    "lxqt-themes": (
        "Butterfly-Kenneth-Wimer.* Valendas.* after-the-rain.* appleflower.* beam.* butterfly.* cloud.* drop.* "
        "flowers.* fog.* this-is-not-windows.*"
    ),
    "mate-backgrounds": (
        "nature/Aqua.* nature/Blinds.* nature/Dune.* nature/FreshFlower.* nature/Garden.* nature/GreenMeadow.* "
        "nature/LadyBird.* nature/RainDrops.* nature/Storm.* nature/TwoWings.* nature/YellowFlower.*"
    ),
    "plasma-workspace-wallpapers": " ".join(
        f"{name}/contents/images/2560x1600.*"
        for name in (
            *("BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow"),
            *("FallenLeaf", "Kite", "OneStandsOut", "Path", "summer_1am"),
        )
    ),
    "palapeli-data": "collection/*.jpg",
    "python3-sklearn": "images/china.jpg images/flower.jpg",
    "renpy-demo": "bg?washington.jpg bg?whitehouse.jpg",
    # Under water: every fourth, so that there are not too many of them.
    "krank": "level-01.jpg level-05.jpg level-09.jpg level-13.jpg level-17.jpg level-21.jpg level-25.jpg level-29.jpg",
}
"""The photographs among the packages' pictures, chosen by eye: by package, patterns of their paths' ends."""
SCENES = {"renpy-thequestion": "bg?*.jpg", "renpy-demo": "bg?panorama.webp concert1.png concert3.png"}
CHARACTERS = {"renpy-thequestion": "sylvie*.png", "renpy-demo": "eileen*.png lucy*.png"}
PANORAMA = 4
"""The panorama is cut into so many pictures."""
SCENES_EACH = 4
"""Each character is placed in front of so many scenes."""


def main(out: Path) -> None:
    """Write OUT/photos and OUT/cartoons, over what is there; an error names what could not be fetched or found."""
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = Path(scratch)
        for package in sorted({*PHOTOS, *SCENES, *CHARACTERS}):
            fetch(package, unpacked / package)
        photos = [(title(path), picture(path)) for path in matching_files(unpacked, PHOTOS)]
        scenes = [part for path in matching_files(unpacked, SCENES) for part in scene_parts(path)]
        characters = [(path.stem, sprite(path)) for path in matching_files(unpacked, CHARACTERS)]
    write(out / "photos", photos)
    stages = [(name, scene) for name, scene in scenes if "concert" not in name]  # a concert is full already
    write(out / "cartoons", [*scenes, *composed(characters, stages)])


def fetch(package: str, folder: Path) -> None:
    """Download a package and unpack it into the folder, without installing it."""
    folder.mkdir(parents=True)
    subprocess.run(["apt-get", "download", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", archive.name, "."], cwd=folder, check=True)


def matching_files(unpacked: Path, wanted: dict[str, str]) -> Iterator[Path]:
    """The files that match; FileNotFoundError names a pattern that matches none, as after a package's change."""
    for package, patterns in wanted.items():
        for pattern in patterns.split():
            paths = sorted(path for path in (unpacked / package).rglob(pattern) if path.is_file())
            if not paths:
                raise FileNotFoundError(f"package {package} holds no {pattern}: its version is another")
            yield from paths


def title(path: Path) -> str:
    """What a picture is called: by its file, or by its folder where all files are called by their size."""
    return path.parents[2].name if path.parent.name == "images" and path.stem[0].isdigit() else path.stem


def picture(path: Path) -> Picture:
    """A picture's colours, its short side made SHORT_SIDE where it is longer."""
    return smaller(decode(path.read_bytes(), max_megapixels=MAX_MEGAPIXELS))


def smaller(rgb: Picture) -> Picture:
    """The picture with a short side of at most SHORT_SIDE."""
    height, width = rgb.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    if scale >= 1:
        return rgb
    size = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def scene_parts(path: Path) -> Iterator[tuple[str, Picture]]:
    """A scene under its name; a panorama as PANORAMA scenes side by side."""
    rgb = picture(path)
    parts = PANORAMA if "panorama" in path.stem else 1
    for index, part in enumerate(np.array_split(rgb, parts, axis=1), start=1):
        yield (f"{path.stem}-{index}" if parts > 1 else path.stem), part


def sprite(path: Path) -> Picture:
    """A character with its transparency, RGBA."""
    bgra = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA), np.uint8)


def laid_on(under: Picture, rgba: Picture) -> Picture:
    """A picture, uint8 RGBA (h, w, 4), laid on another of its size, or on one colour: uint8 RGB (h, w, 3)."""
    opacity = rgba[..., 3:].astype(np.float32) / 255
    return np.asarray(np.rint(opacity * rgba[..., :3] + (1 - opacity) * under), np.uint8)


def composed(
    characters: Sequence[tuple[str, Picture]], scenes: Sequence[tuple[str, Picture]]
) -> Iterator[tuple[str, Picture]]:
    """Each character in front of SCENES_EACH of the scenes in turn, at the lower edge, left, right and between."""
    for index, (name, rgba) in enumerate(characters):
        for turn in range(SCENES_EACH):
            title, scene = scenes[(index + turn * len(scenes) // SCENES_EACH) % len(scenes)]
            height, width = scene.shape[:2]
            scale = 0.95 * height / rgba.shape[0]
            small = cv2.resize(rgba, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            rows, columns = small.shape[:2]
            left = round((width - columns) * ((index + 2 * turn) % 5 + 0.5) / 5)
            composite = scene.copy()
            background = composite[height - rows :, left : left + columns]
            background[:] = laid_on(background, small)
            yield f"{name} {title}", composite


def write(folder: Path, pictures: Sequence[tuple[str, Picture]]) -> None:
    """Write the pictures as PNG under their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rgb in pictures:
        cv2.imwrite(str(folder / f"{name.replace(' ', '-')}.png"), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    show(f"{folder}: {len(pictures)} pictures")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
