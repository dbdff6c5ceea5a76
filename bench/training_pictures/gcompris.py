"""The resource files of GCompris: a picture by its activity and name, and the credit that is recorded for it."""

from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from bench.attribution import Credit, debian_credits, matching_credit, readme_credits
from bench.qt_resources import read_resources
from cartoon_dist.errors import PictureError

PACKAGE = "gcompris-qt-data"
_WHOLE = Credit(package=PACKAGE, author="GCompris developers", licence="GPL-3+")
"""What Debian records for all files that have no entry of their own."""


class GCompris:
    """The unpacked package; its resource files are read once each, when a picture in them is asked for."""

    def __init__(self, package: Path) -> None:
        self._package = package
        self._resources = cache(self._read)
        self._readme = cache(self._read_readme)

    def content(self, name: str) -> bytes:
        """The bytes of `activity/picture.svg`; PictureError where the package holds no such picture."""
        activity, _, _ = name.partition("/")
        content = self._resources(activity).get(str(_path(name)))
        if content is None:
            raise PictureError(f"{PACKAGE} holds no {name}: its version is another")
        return content

    def names(self, folder: str) -> list[str]:
        """The WebP files that lie in the folder `activity` or `activity/folder`, or below it, in order."""
        activity, _, _ = folder.partition("/")
        root = f"{_path(folder)}/"
        found = [f"{folder}/{path[len(root) :]}" for path in self._resources(activity) if path.startswith(root)]
        return sorted(name for name in found if name.endswith(".webp"))

    def credit(self, name: str) -> Credit:
        """Author and licence: by the README nearest to the picture, else by Debian's copyright file."""
        path = _path(name)
        activity, _, _ = name.partition("/")
        for folder in list(path.parents)[:-4]:
            listed = self._readme(activity, str(folder))
            stem = str(path.relative_to(folder).with_suffix(""))
            if stem in listed:
                return listed[stem]
        return matching_credit(str(path.relative_to("gcompris")), self._debian) or _WHOLE

    def _read(self, activity: str) -> dict[str, bytes]:
        paths = list(self._package.rglob(f"{activity}.rcc"))
        if len(paths) != 1:
            raise PictureError(f"{PACKAGE} holds {len(paths)} {activity}.rcc: its version is another")
        try:
            return read_resources(paths[0])
        except ValueError as error:
            raise PictureError(str(error)) from None

    def _read_readme(self, activity: str, folder: str) -> dict[str, Credit]:
        readme = self._resources(activity).get(f"{folder}/README", b"")
        listed = readme_credits(readme.decode("utf-8", "replace"), package=PACKAGE)
        return {str(PurePosixPath(file).with_suffix("")): credit for file, credit in listed}

    @cached_property
    def _debian(self) -> list[tuple[str, Credit]]:
        path = self._package / f"usr/share/doc/{PACKAGE}/copyright"
        if not path.is_file():
            return []
        return debian_credits(path.read_text(encoding="utf-8", errors="replace"), package=PACKAGE)


def _path(name: str) -> PurePosixPath:
    activity, _, rest = name.partition("/")
    root = "gcompris/src/core" if activity == "core" else f"gcompris/src/activities/{activity}"
    return PurePosixPath(root) / "resource" / rest
