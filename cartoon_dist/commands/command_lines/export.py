"""The command line of `launch/export.py`."""

import argparse

from cartoon_dist.config.command_line import add_renamed
from cartoon_dist.console.command_names import command_line, command_name


def parser() -> argparse.ArgumentParser:
    """Of an export."""
    parser = argparse.ArgumentParser(
        prog=command_name("export"),
        description="Write a trained generator as one file, safetensors or ONNX, when it draws as the trained one.",
        epilog=f"example: {command_line('export', 'runs/hayao hayao.onnx')}",
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, or one of its checkpoints")
    parser.add_argument("out", metavar="OUT", help="OUT.safetensors or OUT.onnx; its card is OUT.*.md")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="weights=ema|raw: the running average (default), or the raw ones. photo=FILE: what to compare on "
        "(default: a photo out of the run's shards). pictures_licence=TEXT: for the card, what binds the pictures it "
        "learned from. device=auto|cpu|cuda: where torch draws for the comparison; auto, the default, takes CUDA",
    )
    for option in ("--weights", "--photo", "--pictures-licence"):
        add_renamed(parser, option, option.removeprefix("--").replace("-", "_"))
    return parser
