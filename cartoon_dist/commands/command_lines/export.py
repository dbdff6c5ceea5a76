"""The command line of `launch/export.py`."""

import argparse

from cartoon_dist.config.command_line import add_renamed
from cartoon_dist.console.command_names import command_line, command_name


def parser() -> argparse.ArgumentParser:
    """Of an export."""
    parser = argparse.ArgumentParser(
        prog=command_name("export"),
        description="Write a trained generator as one file, safetensors or ONNX, or as a folder or a repository of a "
        "model hub, when it draws as the trained one.",
        epilog=f"example: {command_line('export', 'runs/hayao hayao.onnx')}",
    )
    parser.add_argument("run", metavar="RUN", help="a run folder, or one of its checkpoints")
    parser.add_argument(
        "out",
        metavar="OUT",
        help="OUT.safetensors or OUT.onnx, with its card OUT.*.md beside it; FOLDER/ in the layout of a hub; or "
        "hf://OWNER/NAME, a repository on the hub, which is made where there is none",
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="weights=ema|raw: the running average (default), or the raw ones. photo=FILE: what to compare on "
        "(default: a photo out of the run's shards). pictures_licence=TEXT: for the card, what binds the pictures it "
        "learned from. licence=NAME: for the card, of the weights, as a hub names it (mit, cc-by-4.0; default other). "
        "precision=fp16: of a .safetensors, weights in half precision, half the file. "
        "visibility=private|public: of a new repository on the hub (default private). device=auto|cpu|cuda: where "
        "torch draws for the comparison; auto, the default, takes CUDA",
    )
    for option in ("--weights", "--photo", "--pictures-licence"):
        add_renamed(parser, option, option.removeprefix("--").replace("-", "_"))
    return parser
