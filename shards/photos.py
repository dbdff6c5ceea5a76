"""Photos -> shards: python shards/photos.py PHOTOS... OUT [key=value ...] [--dry-run]."""

from cartoon_dist.commands.main import run_command
from cartoon_dist.commands.shards import photos

if __name__ == "__main__":
    run_command(photos)
