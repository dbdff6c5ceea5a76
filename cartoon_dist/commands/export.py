"""`launch/export.py`: a trained generator as one file to give away, with a card beside it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.commands.path_options import place
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import ComputeSettings
from cartoon_dist.console.messages import say
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.remote.fetch import at_hand
from cartoon_dist.distributed import devices
from cartoon_dist.errors import CheckpointError, ConfigError, PictureError, ShardError
from cartoon_dist.export import model_card
from cartoon_dist.export.export import SUFFIXES, export
from cartoon_dist.files.atomic import read_regular, write_whole
from cartoon_dist.image.decode import Picture, decode, max_file_bytes
from cartoon_dist.metrics import score_file
from cartoon_dist.runs import trained
from cartoon_dist.runs.exported import copies_photos
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import Trained
from cartoon_dist.tensors import Bytes

_LONGEST = 1024
"""A photo to compare on is cut to this: the comparison runs both generators on the CPU."""


def main(argv: Sequence[str]) -> int:
    """Export as the command line says; the exit status."""
    arguments = _parser().parse_intermixed_args(argv)
    if arguments.out.suffix not in SUFFIXES:
        raise ConfigError(f"{arguments.out}: name it .safetensors or .onnx; other formats are not written")
    if not arguments.run.is_dir():
        raise CheckpointError(f"{arguments.run}: is no run and no checkpoint; an export is made from one of these")
    held = trained.load(arguments.run, weights=arguments.weights)
    if held.is_warmup:
        say(f"warning: {copies_photos(held.source, held.step)}")
    photo = _from_file(arguments.photo) if arguments.photo else _from_shards(held)
    comparison = export(
        held, arguments.out, photo, devices.choose(read(ComputeSettings, [], arguments.settings).device)
    )
    beside = arguments.out.with_name(f"{arguments.out.name}.md")
    text = model_card.card(
        held, arguments.out, comparison, scores=_scores_of(held), pictures_licence=arguments.pictures_licence
    )
    try:
        write_whole(beside, text)
    except OSError as error:
        raise CheckpointError(f"{beside}: cannot be written ({error.strerror}); make room and export again") from None
    print(
        f"{arguments.out}: step {held.step}, {held.weights}; differs from the trained generator by "
        f"{comparison.difference:.2g} at most; its card is {beside.name}"
    )
    return EXIT_DONE


def _scores_of(held: Trained) -> list[dict[str, Any]]:
    """The scores for the card; none, and a warning, where they cannot be read: the export does not depend on them."""
    try:
        found = score_file.read(RunFolder(held.source.parent).scores)
    except CheckpointError as error:
        say(f"warning: {error}; the card is written without scores")
        return []
    return [score for score in found if score.get("step") == held.step]


def _from_shards(held: Trained) -> Bytes:
    """A photo of the run, a held-out one where there is any."""
    try:
        folder = at_hand(held.settings.data.photos, held.settings.data.cache)
        for split in ("test", "train"):
            shards = Shards(folder=folder, domain="photo", split="test" if split == "test" else "train")
            if len(shards):
                return _cut(shards.read(0).picture)
    except ShardError as error:
        raise ConfigError(f"{error}; or give a photo to compare on: --photo FILE") from None
    raise ConfigError(f"{folder}: holds no photos; give one to compare on: --photo FILE")


def _from_file(path: Path) -> Bytes:
    try:
        return _cut(decode(read_regular(path, max_bytes=max_file_bytes(200)), max_megapixels=200))
    except PictureError as error:
        raise ConfigError(f"{path}: {error}; give another photo") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a photo") from None


def _cut(picture: Picture) -> Bytes:
    """The upper left of a photo that the networks can draw: sides multiples of 4."""
    height, width = (min(side, _LONGEST) // 4 * 4 for side in picture.shape[:2])
    if min(height, width) < 8:
        raise ConfigError("the photo to compare on is smaller than 8 x 8 pixels; give a larger one with --photo")
    pixels = torch.from_numpy(picture[:height, :width].copy())
    return pixels.permute(2, 0, 1)[None].contiguous()  # 1 3 h w


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="launch/export.py",
        description="Write a trained generator as one file, safetensors or ONNX, when it draws as the trained one.",
        epilog="example: python launch/export.py runs/hayao hayao.onnx",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder, or one of its checkpoints")
    parser.add_argument("out", metavar="OUT", type=Path, help="OUT.safetensors or OUT.onnx; its card is OUT.*.md")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="device=auto|cpu|cuda: where torch draws for the comparison; auto, the default, takes CUDA",
    )
    parser.add_argument("--weights", choices=("ema", "raw"), default="ema", help="the running average, or the raw ones")
    parser.add_argument("--photo", type=place, help="what to compare on (default: a photo out of the run's shards)")
    parser.add_argument(
        "--pictures-licence", default="", metavar="TEXT", help="for the card: what binds the pictures it learned from"
    )
    return parser
