"""The command line: `python -m bench.training_pictures OUT [--permissive] [--styles photos,anime,flat]`."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import CalledProcessError

from bench.free_pictures import CHARACTERS, SCENES, fetch
from bench.training_pictures.anime import anime_pictures
from bench.training_pictures.drawings import cairosvg
from bench.training_pictures.flat import PACKAGES as FLAT
from bench.training_pictures.flat import flat_pictures
from bench.training_pictures.gcompris import PACKAGE
from bench.training_pictures.photo_lists import PACKAGED
from bench.training_pictures.photos import photo_pictures
from bench.training_pictures.picture_sets import ATTRIBUTION, TrainingPicture, write_attribution, write_set
from cartoon_dist.console.messages import pluralize, print_message, print_result
from cartoon_dist.errors import CartoonError

EXIT_DONE, EXIT_USAGE = 0, 2
PACKAGES = {"photos": (*PACKAGED, PACKAGE), "anime": (*SCENES, *CHARACTERS), "flat": FLAT}
"""The packages that each set comes from."""


def main(argv: Sequence[str]) -> int:
    """Write the sets, ATTRIBUTION.tsv and a contact sheet of each; 0, or 2 with one line that says what is wrong."""
    arguments = _parser().parse_args(argv)
    styles = arguments.styles.split(",")
    if wrong := [style for style in styles if style not in PACKAGES]:
        return _usage_error(f"--styles: there is no {', '.join(wrong)}; there are {', '.join(PACKAGES)}")
    try:
        if "flat" in styles:
            cairosvg()  # before anything is fetched
        with _unpacked(styles, arguments.packages) as unpacked:
            _write_sets(arguments.out, styles, unpacked, permissive=arguments.permissive)
    except CalledProcessError as error:
        return _usage_error(f"{' '.join(map(str, error.cmd))} failed: are apt-get and dpkg-deb there, and the network?")
    except (CartoonError, OSError) as error:
        return _usage_error(str(error))
    print_result(f"{arguments.out}: {', '.join(styles)}; who made each: {arguments.out / ATTRIBUTION}")
    return EXIT_DONE


def _write_sets(out: Path, styles: Sequence[str], unpacked: Path, *, permissive: bool) -> None:
    makers: dict[str, Callable[[], Iterator[TrainingPicture]]] = {
        "photos": lambda: photo_pictures(unpacked, permissive=permissive),
        "anime": lambda: anime_pictures(unpacked),
        "flat": lambda: flat_pictures(unpacked, permissive=permissive),
    }
    rows: list[str] = []
    for style in styles:
        written = write_set(out / style, makers[style]())
        rows += written.rows
        print_message(
            f"{out / style}: {pluralize(written.num_pictures, 'picture')} of {pluralize(written.num_scenes, 'scene')}, "
            f"{written.num_permissive} permissive"
        )
    write_attribution(out, rows)


@contextmanager
def _unpacked(styles: Sequence[str], packages: Path | None) -> Iterator[Path]:
    """The folder with a folder for each package that the sets need: the one given, or fetched for the time being."""
    if packages is not None:
        yield packages
        return
    with tempfile.TemporaryDirectory() as scratch:
        for package in sorted({package for style in styles for package in PACKAGES[style]}):
            print_message(f"fetching {package}")
            fetch(package, Path(scratch) / package)
        yield Path(scratch)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.training_pictures",
        description="Photos and cartoons to train with, out of Debian's packages; see docs/training_pictures.md.",
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="a folder; photos, anime and flat are written into it")
    parser.add_argument(
        "--permissive", action="store_true", help="only pictures in the public domain, or under CC0, CC-BY or MIT"
    )
    parser.add_argument(
        "--styles", metavar="NAMES", default=",".join(PACKAGES), help="which sets, with commas (default: %(default)s)"
    )
    parser.add_argument(
        "--packages", metavar="FOLDER", type=Path, help="packages unpacked there, FOLDER/PACKAGE, instead of fetching"
    )
    return parser


def _usage_error(message: str) -> int:
    print_message(f"error: {message}")
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
