"""The pictures of the built-in model, out of Debian's packages: `python -m bench.permissive_pictures OUT`.

Writes OUT/photos, OUT/cartoons and OUT/ATTRIBUTION.tsv, which says of each picture its package, author and licence.
Only pictures that are in the public domain, CC0, CC-BY or MIT: none under a licence that binds what is made of it
(CC-BY-SA, GPL, FDL). Nothing is installed. Needs apt-get and dpkg-deb.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bench.attribution import Credit, readme_credits
from bench.free_pictures import (
    CHARACTERS,
    SCENES,
    composed,
    fetch,
    matching_files,
    picture,
    scene_parts,
    smaller,
    sprite,
    title,
    write,
)
from bench.qt_resources import read_resources
from cartoon_dist.image.decode import Picture, decode

_AITZOL, _TREVOR = "Aitzol Berasategi", 'Trevor "Freespace"'
_FLICKR = "of flickr.com/photos/danielbuechele, /vultilion"
PHOTOS = {
    "lomiri-wallpapers-16.04": {
        "aitzgorri_by* friends_by* life_by* picosdeeuropa_by* sunset_by*": (_AITZOL, "CC-BY-4.0"),
        "Picture_0B_by* Picture_1A_by*": (_TREVOR, "CC-BY-4.0"),
        "Wine_by*": ("Jakub Mede", "CC-BY-4.0"),
        "seeding_by*": ("Clemens Engelhardt", "CC0-1.0"),
    },
    "palapeli-data": {
        "collection/cincinnati-bridge.jpg": ("Derek Jensen", "public domain"),
        "collection/citrus-fruits.jpg": ("US Department of Agriculture", "public domain"),
        "collection/european-honey-bee.jpg": ("John Severns", "public domain"),
    },
    "python3-sklearn": {"images/china.jpg images/flower.jpg": (_FLICKR, "CC-BY-2.0")},
    "python3-skimage": {
        "data/astronaut.png": ("NASA", "public domain"),
        "data/chelsea.png": ("Stefan van der Walt", "CC0"),
        "data/coffee.png": ("Rachel Michetti", "CC0"),
        "data/rocket.jpg": ("SpaceX", "public domain"),
    },
    "python-matplotlib-data": {"sample_data/grace_hopper.jpg": ("US Navy", "public domain")},
    "renpy-demo": {"bg?washington.jpg bg?whitehouse.jpg": ("Ren'Py contributors", "MIT")},
    # Under water: every sixth, so that there are not too many of them.
    "krank": {
        "level-01.jpg level-07.jpg level-13.jpg level-19.jpg level-25.jpg": ("Slava Anishenko", "public domain"),
    },
}
"""By package: patterns of paths' ends, and the author and licence that the package records for them."""
RESOURCES = "gcompris-qt-data"
ACTIVITIES = {
    "erase": "resource",
    "explore_world_animals": "resource/animals",
    "explore_farm_animals": "resource/animals",
    "explore_monuments": "resource",
    "categorization": "resource/images/renewable",
}
"""Of GCompris's resource files those that hold photos, and the folder in each whose README says author and licence."""
CARTOON_AUTHORS = ("Ren'Py contributors", "MIT")


Credited = tuple[str, Picture, Credit]


def main(out: Path) -> None:
    """Write OUT/photos, OUT/cartoons and OUT/ATTRIBUTION.tsv; an error names what could not be fetched or found."""
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = Path(scratch)
        for package in sorted({*PHOTOS, *SCENES, *CHARACTERS, RESOURCES}):
            fetch(package, unpacked / package)
        photos = [*packaged(unpacked), *resources(unpacked / RESOURCES)]
        scenes = [part for path in matching_files(unpacked, SCENES) for part in scene_parts(path)]
        characters = [(path.stem, sprite(path)) for path in matching_files(unpacked, CHARACTERS)]
    stages = [(name, scene) for name, scene in scenes if "concert" not in name]  # a concert is full already
    credit = Credit(package=" ".join(SCENES), author=CARTOON_AUTHORS[0], licence=CARTOON_AUTHORS[1])
    cartoons = [(name, rgb, credit) for name, rgb in (*scenes, *composed(characters, stages))]
    rows = ["file\tpackage\tauthor\tlicence"]
    for folder, credited in (("photos", photos), ("cartoons", cartoons)):
        write(out / folder, [(name, rgb) for name, rgb, _ in credited])
        rows += [
            f"{folder}/{name.replace(' ', '-')}.png\t{credit.package}\t{credit.author}\t{credit.licence}"
            for name, _, credit in credited
        ]
    (out / "ATTRIBUTION.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def packaged(unpacked: Path) -> Iterator[Credited]:
    """The photos that lie as files in packages."""
    for package, by_patterns in PHOTOS.items():
        for patterns, (author, licence) in by_patterns.items():
            for path in matching_files(unpacked, {package: patterns}):
                yield title(path), picture(path), Credit(package=package, author=author, licence=licence)


def resources(package: Path) -> Iterator[Credited]:
    """The permissive photos of ACTIVITIES; FileNotFoundError where a package has other contents."""
    for activity, folder in ACTIVITIES.items():
        (path,) = package.rglob(f"{activity}.rcc")
        files = read_resources(path)
        root = PurePosixPath(f"gcompris/src/activities/{activity}/{folder}")
        readme = files.get(str(root / "README"))
        if readme is None:
            raise FileNotFoundError(f"{path}: holds no {root}/README: the package's version is another")
        for name, credit in credits_of(readme.decode("utf-8")):
            content = files.get(str(root / PurePosixPath(name).with_suffix(".webp")))
            if content is not None:
                yield f"{activity}-{PurePosixPath(name).stem}", smaller(decode(content, max_megapixels=20)), credit


def credits_of(readme: str) -> Iterator[tuple[str, Credit]]:
    """The pictures with a permissive licence that a README of GCompris lists, each with its credit."""
    for file, credit in readme_credits(readme, package=RESOURCES):
        if credit.is_permissive and file.endswith((".webp", ".jpg")):
            yield file, credit


if __name__ == "__main__":
    main(Path(sys.argv[1]))
