"""Paths among a command's options."""

import argparse
from pathlib import Path

from cartoon_dist.config.fields import expand_path


def place(word: str) -> Path:
    """The path of an option, as that of a setting: a shell writes out `~` in `--out ~/x`, and not in `--out=~/x`."""
    try:
        return Path(expand_path(word))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{word} {error}") from None
