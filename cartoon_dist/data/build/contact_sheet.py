"""The contact sheet of a shard folder: a few samples with their companions, to see at a glance whether it is right."""

from pathlib import Path

from cartoon_dist.data.format.manifest import read_manifest
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, read_regular
from cartoon_dist.image.contact_sheet import SheetCell, contact_sheet
from cartoon_dist.image.png import encode_png

CONTACT_SHEET = "contact-sheet.png"
NUM_SHOWN, COLUMNS = 12, 3
SIDE_PIXELS = 128
"""No larger than the samples: some 600 kB for photos."""


def write_contact_sheet(folder: Path) -> Path:
    """Draw samples spread evenly over a finished folder, photo | label or cartoon | smoothed, into contact-sheet.png.

    The same shards give the same bytes; a sheet that already has them is not written again.
    """
    shards = Shards(folder=folder, domain=read_manifest(folder).domain, split=None)
    num_shown = min(NUM_SHOWN, len(shards))
    strips = []
    for part in range(num_shown):
        position = (2 * part + 1) * len(shards) // (2 * num_shown)  # the middle of each of as many equal parts
        sample, entry = shards.read(position), shards.entry(position)
        strips.append(SheetCell((sample.picture, sample.companion), f"{entry.key} ({entry.split})"))
    side = min(SIDE_PIXELS, shards.manifest.image_size)
    data = encode_png(contact_sheet(strips, side=side, columns=min(COLUMNS, num_shown)))
    path = folder / CONTACT_SHEET
    if not _has_content(path, data):
        write_atomically(path, data)
    return path


def _has_content(path: Path, data: bytes) -> bool:
    try:
        return read_regular(path, max_bytes=MAX_RECORD_BYTES) == data
    except OSError:
        return False
