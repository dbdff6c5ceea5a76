"""A set of pictures on disk: PNG files, their scenes for the shards' split, a contact sheet, and who made them."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2

from bench.attribution import Credit
from cartoon_dist.data.inputs.scenes import SCENES
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.image.contact_sheet import SheetCell, contact_sheet
from cartoon_dist.image.crop import resize_and_crop
from cartoon_dist.image.decode import Picture

ATTRIBUTION = "ATTRIBUTION.tsv"
_SHEET_SIDE, _SHEET_COLUMNS, _CAPTION_LETTERS = 112, 16, 17


@dataclass(frozen=True, kw_only=True)
class TrainingPicture:
    """A picture, uint8 RGB (h, w, 3), with who made it. Pictures of one scene show the same place."""

    name: str
    rgb: Picture
    credit: Credit
    scene: str | None = None

    @property
    def file(self) -> str:
        """The name of its file."""
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", self.name).strip("-.") + ".png"


@dataclass(frozen=True, kw_only=True)
class WrittenSet:
    """What was written of a set: its lines for ATTRIBUTION, and how many pictures and scenes."""

    rows: list[str]
    num_pictures: int
    num_scenes: int
    num_permissive: int


def write_set(folder: Path, pictures: Iterable[TrainingPicture]) -> WrittenSet:
    """Write a set into its folder and its contact sheet beside it; files of an earlier call that are not in it go.

    The pictures are written one by one as they come, so that they need not be in memory together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, cells, names = [], [], set[str]()
    scenes: dict[str, str] = {}
    num_permissive = 0
    for picture in pictures:
        if picture.file in names:
            raise ValueError(f"{folder.name}: two pictures are called {picture.file}")
        names.add(picture.file)
        scenes[picture.file] = picture.scene or picture.name
        write_atomically(folder / picture.file, _png(picture.rgb))
        caption = picture.file.removesuffix(".png")[-_CAPTION_LETTERS:]
        cells.append(SheetCell([resize_and_crop(picture.rgb, size=_SHEET_SIDE).pixels], caption))
        rows.append(attribution_row(f"{folder.name}/{picture.file}", picture.credit))
        num_permissive += picture.credit.is_permissive
    for path in folder.glob("*.png"):
        if path.name not in names:
            path.unlink()
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("file", "scene"), *scenes.items()])
    write_atomically(folder / SCENES, table.getvalue())
    sheet = contact_sheet(cells, side=_SHEET_SIDE, columns=_SHEET_COLUMNS)
    write_atomically(folder.with_name(f"{folder.name}.sheet.jpg"), _encoded(sheet, ".jpg"))
    return WrittenSet(
        rows=rows, num_pictures=len(names), num_scenes=len(set(scenes.values())), num_permissive=num_permissive
    )


def attribution_row(file: str, credit: Credit) -> str:
    """A line of ATTRIBUTION: file, package, author, licence, and whether the licence asks for no more than a name."""
    terms = "permissive" if credit.is_permissive else "share-alike"
    fields = (file, credit.package, credit.author, credit.licence, terms)
    return "\t".join(" ".join(field.split()) for field in fields)


def write_attribution(folder: Path, rows: Iterable[str]) -> None:
    """Write ATTRIBUTION.tsv, a line for each picture; sets that an earlier call wrote keep their lines."""
    header, path = "file\tpackage\tauthor\tlicence\tterms", folder / ATTRIBUTION
    rows = list(rows)
    sets = {row.partition("/")[0] for row in rows}
    before = path.read_text(encoding="utf-8").splitlines()[1:] if path.is_file() else []
    kept = [row for row in before if row.partition("/")[0] not in sets]
    write_atomically(path, "\n".join([header, *sorted([*kept, *rows])]) + "\n")


def _png(rgb: Picture) -> bytes:
    return _encoded(rgb, ".png")


def _encoded(rgb: Picture, ending: str) -> bytes:
    _, data = cv2.imencode(ending, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return data.tobytes()
