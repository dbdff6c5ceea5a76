"""Photos -> shards: python shards/photos.py PHOTOS... OUT [key=value ...] [--dry-run]."""

from cartoon_dist.commands.entry import run
from cartoon_dist.commands.shards import photos

if __name__ == "__main__":
    run(photos)
