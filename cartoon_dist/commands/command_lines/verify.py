"""The command line of `shards/verify.py`."""

import argparse

from cartoon_dist.console.command_names import command_name


def parser() -> argparse.ArgumentParser:
    """Of the check of shards."""
    parser = argparse.ArgumentParser(
        prog=command_name("shards verify"),
        usage="%(prog)s OUT [--mend | --index [test_fraction=0.1] [seed=0]]",
        description="Read every byte of a shard folder against its manifest and name what is wrong.",
    )
    parser.add_argument(
        "folder",
        metavar="OUT",
        help=f"a folder made by {command_name('shards photos')} or {command_name('shards cartoons')}",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--mend", action="store_true", help="rebuild the shards that are wrong from their pictures")
    how.add_argument(
        "--index", action="store_true", help="make a manifest for a WebDataset set that was built elsewhere"
    )
    return parser
