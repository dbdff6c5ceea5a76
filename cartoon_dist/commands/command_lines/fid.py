"""The command line of `launch/fid.py`."""

import argparse

from cartoon_dist.config.command_line import add_renamed
from cartoon_dist.console.command_names import command_line, command_name


def parser() -> argparse.ArgumentParser:
    """Of a score."""
    parser = argparse.ArgumentParser(
        prog=command_name("fid"),
        description="Score what a run's generator draws of held-out photos against the style's cartoons: FID and KID.",
        epilog=f"example: {command_line('fid', 'runs/demo/run score.features=efficientnet_lite0')}",
    )
    parser.add_argument(
        "run", metavar="RUN", help="a run, or one of its checkpoints; with against=FOLDER also a folder of drawings"
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="weights=ema|raw score.features=inception|efficientnet_lite0 score.photos=test|train score.batch_size=N "
        "score.subsamples=N score.content=true|false weights_folder=FOLDER data.photos=FOLDER|URL "
        "data.cartoons=FOLDER|URL device=auto|cpu|cuda; against=FOLDER: score a folder of drawings, or what a run "
        "draws of its held-out photos, against this folder of pictures; out=FILE.json, with against: add the scores to "
        "this file",
    )
    parser.add_argument(
        "--untrained", action="store_true", help="score the generator that the run began with, to compare with"
    )
    for option in ("--against", "--out"):
        add_renamed(parser, option, option.removeprefix("--"))
    return parser
