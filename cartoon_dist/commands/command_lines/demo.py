"""The command line of `launch/demo.py`."""

import argparse

from cartoon_dist.console.command_names import command_line, command_name


def parser() -> argparse.ArgumentParser:
    """Of the demo."""
    parser = argparse.ArgumentParser(
        prog=command_name("demo"),
        description="The embedded pictures from shards to a report, by the commands a user types. Run again to go on.",
        epilog=f"example: {command_line('demo', 'runs/demo seed=1')}",
    )
    parser.add_argument("out", nargs="?", default="runs/demo", metavar="OUT", help="where all of it goes (runs/demo)")
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="settings of the training, over the config named demo"
    )
    return parser
