"""The command line of `launch/train.py`."""

import argparse

from cartoon_dist.config.command_line import add_renamed
from cartoon_dist.console.command_names import command_name, launched


def parser() -> argparse.ArgumentParser:
    """Of a training."""
    parser = argparse.ArgumentParser(
        prog=command_name("train"),
        description="Train a method. The same command run again goes on where it stopped.",
        epilog=f"example: {launched('train', 'demo max_steps=20')}",
    )
    parser.add_argument(
        "config",
        nargs="*",
        metavar="CONFIG | key=value",
        help="config files, or names of those that travel with the package (hayao, the default, ablation/sal, ...), "
        "later over earlier; then settings. processes=N, with --dry-run: what N processes would do, whatever starts "
        "them here",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be done, and stop; needs no shards and no weights"
    )
    add_renamed(parser, "--processes", "processes")
    parser.add_argument(
        "--check-capture",
        action="store_true",
        help="find out whether the step can be captured, and stop; no GPU needed",
    )
    return parser
