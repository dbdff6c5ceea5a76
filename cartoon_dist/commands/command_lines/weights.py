"""The command line of `launch/weights.py`."""

import argparse

from cartoon_dist import pretrained
from cartoon_dist.config.command_line import add_renamed
from cartoon_dist.console.command_names import command_line, command_name


def parser() -> argparse.ArgumentParser:
    """Of pretrained weights."""
    setting = f"weights_folder=FOLDER: where the weights lie (default: ${pretrained.FOLDER_ENV_VAR}, or weights/)"
    shared = argparse.ArgumentParser(add_help=False)
    add_renamed(shared, "--folder", "weights_folder")
    parser = argparse.ArgumentParser(
        prog=command_name("weights"),
        description="Pretrained weights: the only command that downloads. Files are checked by their hashes.",
        epilog=f"example: {command_line('weights', 'fetch vgg19')}",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="fetch | list")
    fetching = actions.add_parser("fetch", parents=[shared], help="download what is missing or damaged")
    fetching.add_argument(
        "words",
        nargs="*",
        metavar="NAME | key=value",
        help=f"which (default: all): {', '.join(pretrained.KNOWN_WEIGHTS)}; {setting}",
    )
    listing = actions.add_parser(
        "list", parents=[shared], help="what is known, what is present, where it comes from, its licence"
    )
    listing.add_argument("words", nargs="*", metavar="key=value", help=setting)
    return parser
