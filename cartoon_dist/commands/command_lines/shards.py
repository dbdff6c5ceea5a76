"""The command lines of `shards/photos.py` and `shards/cartoons.py`."""

import argparse

from cartoon_dist.config import overrides
from cartoon_dist.config.command_line import add_renamed
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.console.command_names import command_name
from cartoon_dist.data.format.sample import Domain

_MAKES = {
    "photo": "shards of photos, each with its saliency label",
    "cartoon": "shards of cartoons, each with its edge-smoothed copy",
}


def photos_parser() -> argparse.ArgumentParser:
    """Of a shard job of photos."""
    return parser("photo")


def cartoons_parser() -> argparse.ArgumentParser:
    """Of a shard job of cartoons."""
    return parser("cartoon")


def parser(domain: Domain) -> argparse.ArgumentParser:
    """Of a shard job."""
    settings = ", ".join(f"{k}={v}" for k, v in overrides.flatten(overrides.to_dict(ShardSettings())).items())
    parser = argparse.ArgumentParser(
        prog=command_name(f"shards {domain}s"),
        usage=f"%(prog)s {domain.upper()}S... OUT [key=value ...] [--dry-run]",
        description=f"Make {_MAKES[domain]}. Run it again to go on where it stopped.",
        epilog=f"settings and their defaults: {settings}. slice=K/N: build the K-th of N parts of the shards, as one "
        "of N machines that write to the same folder. A path that looks like key=value is given as ./key=value.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="folders (searched through), globs, pictures, videos or .txt files of one path a line; last, the output "
        "folder",
    )
    add_renamed(parser, "--slice", "slice")
    parser.add_argument("--dry-run", action="store_true", help="print settings and counts, write nothing")
    return parser
