"""The command line of `launch/cartoonize.py`."""

import argparse

from cartoon_dist.config.command_line import add_renamed
from cartoon_dist.console.command_names import command_line, command_name


def parser() -> argparse.ArgumentParser:
    """Of a drawing. All paths are in `words`, with the settings: which is which is decided by `read_command_line`."""
    parser = argparse.ArgumentParser(
        prog=command_name("cartoonize"),
        usage=f"{command_name('cartoonize')} [-h] [MODEL] INPUT [OUTPUT] [key=value ...]",
        description="Draw a picture, all pictures of a folder, or a film, in their own size. One path is INPUT. Of two "
        "the first is MODEL where it is one, else they are INPUT and OUTPUT. Drawings of an earlier run are replaced, "
        "other files are not.",
        epilog=f"examples: {command_line('cartoonize', 'photo.jpg')} (writes photo-cartoon.jpg); after the demo: "
        f"{command_line('cartoonize', 'runs/demo/run runs/demo/cartoons runs/demo/again')}",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[MODEL] INPUT [OUTPUT]",
        help="MODEL: a run folder, a checkpoint in it, an exported .safetensors or .onnx, or OWNER/NAME on a hub; "
        "without one the model that comes with the program draws. INPUT: a picture (JPEG, PNG, WebP, BMP, TIFF, GIF, "
        "AVIF, HEIC), a folder that is searched through, or a film. OUTPUT: for a picture a .jpg, .png or .webp file "
        "or a folder, for a folder a folder outside of it, for a film a .mp4, .mkv, .mov or .webm file; without it the "
        "drawing lies beside INPUT under INPUT's name and -cartoon",
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="format=jpg|png|webp: of drawings whose file is not named (beside a picture its own, or jpg; in a folder "
        "png). quality=N: of .jpg and .webp, 1 to 100 (default 95). keep_place=true: where a photo was taken goes into "
        "its drawing, as its date does; by default it does not. weights=ema|raw: which weights of a run draw, the "
        "running average (default) or the raw ones; an export holds its own. megapixels=N: larger pictures are drawn "
        "in strips, which takes less memory and more time (default 1). max_megapixels=N: larger pictures are refused "
        "by their header, before they are decoded (default 200). damaged=skip|take: whether pictures that are not "
        "whole are skipped, the default, or drawn as far as they can be read. device=auto|cpu|cuda: auto, the default, "
        "is CUDA where there is any. precision=fp32|bf16|fp16: the numbers it computes in (default fp32). Of films: "
        "steady=N: how much of a frame's light comes from those before it, 0 to 1 (default 0.9). codec=h264|vp9, "
        "crf=N, preset=NAME: the encoder, its loss and its speed. segment=N: frames in a part, of which a stopped "
        "drawing loses the last",
    )
    for option in ("--weights", "--megapixels", "--max-megapixels", "--format", "--quality", "--steady"):
        add_renamed(parser, option, option.removeprefix("--").replace("-", "_"))
    return parser
