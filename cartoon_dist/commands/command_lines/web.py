"""The command line of `cartoon-dist web`."""

import argparse

from cartoon_dist.console.command_names import command_line, command_name


def parser() -> argparse.ArgumentParser:
    """Of the page to try models on."""
    parser = argparse.ArgumentParser(
        prog=command_name("web"),
        description="Open a page on which anyone can try models with a photo of their own. Without MODEL the built-in "
        "one draws.",
        epilog=f"examples: {command_line('web', '')}; {command_line('web', 'runs/hayao hosoda.safetensors')}; "
        f"{command_line('web', '--static page hayao.onnx')}",
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="MODEL | key=value",
        help="MODEL: a run folder, a checkpoint in it, or an exported .safetensors or .onnx; several are shown side by "
        "side. host=ADDRESS: where the page can be reached (default 127.0.0.1: from this machine alone). port=N "
        "(default 7860; 0 takes any that is free). max_upload_megabytes=N (default 30), max_megapixels=N (default 50): "
        "larger photos are refused. max_drawn_megapixels=N: larger drawings are refused (default 16). max_waiting=N: "
        "more visitors than these are told to come back (default 20). keep_minutes=N: then photos and drawings are "
        "deleted (default 10). weights=ema|raw, device=auto|cpu|cuda, megapixels=N: as in cartoonize. "
        "runtime=PATH: with --static, an unpacked onnxruntime-web or its .tgz, where npm cannot fetch it",
    )
    parser.add_argument(
        "--static",
        metavar="FOLDER",
        help="write a page that needs no server of ours: it draws in the visitor's browser, and no photo leaves it",
    )
    return parser
