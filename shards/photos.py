"""Photos -> shards: python shards/photos.py PHOTOS... OUT [key=value ...] [--dry-run]."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("shards photos")
