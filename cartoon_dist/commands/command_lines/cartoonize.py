"""The command line of `launch/cartoonize.py`."""

import argparse

from cartoon_dist.config.command_line import add_renamed
from cartoon_dist.console.command_names import command_line, command_name


def parser() -> argparse.ArgumentParser:
    """Of a drawing."""
    parser = argparse.ArgumentParser(
        prog=command_name("cartoonize"),
        description="Let a trained model draw pictures of any size. Drawings are PNG files of the same size as the "
        "pictures; those of an earlier run are replaced.",
        epilog=f"example: {command_line('cartoonize', 'runs/demo/run photos cartoons')}",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a run folder, a checkpoint in it, or an exported .safetensors or .onnx"
    )
    parser.add_argument("input", metavar="INPUT", help="a picture, or a folder that is searched through")
    parser.add_argument(
        "output", metavar="OUTPUT", help="a folder outside of INPUT; for a picture also the name of a .png file"
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="weights=ema|raw: which weights of a run draw, the running average (default) or the raw ones; an export "
        "holds its own. megapixels=N: larger pictures are drawn in strips, which takes less memory and more time "
        "(default 1). max_megapixels=N: larger pictures are refused by their header, before they are decoded (default "
        "200). damaged=skip|take: whether pictures that are not whole are skipped, the default, or drawn as far as "
        "they can be read. device=auto|cpu|cuda: auto, the default, is CUDA where there is any",
    )
    for option in ("--weights", "--megapixels", "--max-megapixels"):
        add_renamed(parser, option, option.removeprefix("--").replace("-", "_"))
    return parser
