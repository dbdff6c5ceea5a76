"""The contact sheet of a shard folder: a few samples with their companions, to see at a glance whether it is right."""

from pathlib import Path

from cartoon_dist.data.format.manifest import read_manifest
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.files.atomic import MAX_RECORD_BYTES, read_regular, write_whole
from cartoon_dist.image.contact_sheet import Strip, contact_sheet
from cartoon_dist.image.png import encode_png

CONTACT_SHEET = "contact-sheet.png"
NUM_SHOWN, COLUMNS = 12, 3
SIDE_PIXELS = 128
"""No larger than the samples: some 600 kB for photos."""


def write_contact_sheet(folder: Path) -> Path:
    """Draw samples spread evenly over a finished folder, photo | label or cartoon | smoothed, into contact-sheet.png.

    A function of the shards' bytes alone; a sheet that already shows them is left as it is.
    """
    shards = Shards(folder=folder, domain=read_manifest(folder).domain, split=None)
    shown = min(NUM_SHOWN, len(shards))
    strips = []
    for place in range(shown):
        number = (2 * place + 1) * len(shards) // (2 * shown)  # the middle of each of as many equal parts
        sample, entry = shards.read(number), shards.entry(number)
        strips.append(Strip((sample.picture, sample.companion), f"{entry.key} ({entry.split})"))
    side = min(SIDE_PIXELS, shards.manifest.image_size)
    data = encode_png(contact_sheet(strips, side=side, columns=min(COLUMNS, shown)))
    path = folder / CONTACT_SHEET
    if not _holds(path, data):
        write_whole(path, data)
    return path


def _holds(path: Path, data: bytes) -> bool:
    try:
        return read_regular(path, max_bytes=MAX_RECORD_BYTES) == data
    except OSError:
        return False
