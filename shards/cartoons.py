"""Cartoons -> shards: python shards/cartoons.py CARTOONS... OUT [key=value ...] [--dry-run]."""

from cartoon_dist.commands.main import run_command
from cartoon_dist.commands.shards import cartoons

if __name__ == "__main__":
    run_command(cartoons)
