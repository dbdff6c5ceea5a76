"""`launch/export.py`: a trained generator as one file to give away, with a card beside it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.commands.command_lines.export import parser
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.config.command_line import parse, read_words
from cartoon_dist.config.commands import ExportSettings
from cartoon_dist.config.validation_errors import setting_paths
from cartoon_dist.console.messages import print_message, print_result
from cartoon_dist.distributed import devices
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.export import model_card
from cartoon_dist.export.comparison_photo import comparison_photo
from cartoon_dist.export.exporter import HALF_TOLERANCE, SUFFIXES, Comparison, export_generator
from cartoon_dist.export.model_folder import CardFacts, export_folder
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.hub.names import SCHEME
from cartoon_dist.hub.upload import push
from cartoon_dist.runs import trained
from cartoon_dist.runs.export_file import warmup_warning
from cartoon_dist.runs.model_folder import is_model_folder
from cartoon_dist.runs.trained import TrainedGenerator


def main(argv: Sequence[str]) -> int:
    """Export as the command line says; the exit status."""
    arguments, settings = read_command_line(argv)
    run, out = Path(arguments.run), arguments.out
    to_hub = out.startswith(SCHEME)
    if not to_hub and not _is_folder(out) and Path(out).suffix not in SUFFIXES:
        raise ConfigError(
            f"{out}: name it .safetensors or .onnx, FOLDER/ with a slash, or {SCHEME}OWNER/NAME; other formats are "
            "not written"
        )
    if settings.precision == "fp16" and (to_hub or Path(out).suffix != ".safetensors"):
        raise ConfigError(f"precision=fp16: is for OUT.safetensors alone, not for {out}; leave it out")
    if not run.is_dir():
        raise CheckpointError(f"{run}: is no run and no checkpoint; an export is made from one of these")
    if to_hub:
        return _push(run, out, settings)
    loaded = trained.load(run, weights=settings.weights)
    _warn_of_warmup(loaded)
    photo = comparison_photo(loaded, Path(settings.photo) if settings.photo else None)
    device = devices.choose_device(settings.device)
    if _is_folder(out):
        facts = CardFacts(pictures_licence=settings.pictures_licence or "", licence=settings.licence)
        comparison = export_folder(loaded, Path(out), photo, facts, device)
        print_result(f"{Path(out)}: {_in_words(loaded, comparison)}; it holds the weights, a config and a card")
        return EXIT_DONE
    comparison = export_generator(loaded, Path(out), photo, device, precision=settings.precision)
    card = _write_card(loaded, Path(out), comparison, settings)
    print_result(f"{Path(out)}: {_in_words(loaded, comparison)}; its card is {card.name}")
    return EXIT_DONE


def read_command_line(argv: Sequence[str]) -> tuple[argparse.Namespace, ExportSettings]:
    """RUN and OUT as `run` and `out`, and the settings."""
    arguments = parse(parser(), argv, paths=("run", "out"), keys=setting_paths(ExportSettings))
    return arguments, read_words(ExportSettings, arguments.settings)


def _is_folder(out: str) -> bool:
    return out.endswith("/") or Path(out).is_dir() or Path(out).suffix == ""


def _push(run: Path, out: str, settings: ExportSettings) -> int:
    if not is_model_folder(run):
        _warn_of_warmup(trained.load(run, weights=settings.weights))
    pushed = push(
        run,
        out,
        private=settings.visibility == "private",
        weights=settings.weights,
        photo=settings.photo,
        licence=settings.licence,
        pictures_licence=settings.pictures_licence or "",
        device=settings.device,
    )
    print_result(f"{pushed}: is on the hub; draw with it by this name")
    return EXIT_DONE


def _write_card(loaded: TrainedGenerator, out: Path, comparison: Comparison, settings: ExportSettings) -> Path:
    card = out.with_name(f"{out.name}.md")
    text = model_card.render_card(
        loaded,
        out,
        comparison,
        scores=model_card.scores_of(loaded),
        pictures_licence=settings.pictures_licence or "",
        licence=settings.licence,
    )
    try:
        write_atomically(card, text)
    except OSError as error:
        raise CheckpointError(f"{card}: cannot be written ({error.strerror}); make room and export again") from None
    return card


def _warn_of_warmup(loaded: TrainedGenerator) -> None:
    if loaded.is_warmup:
        print_message(f"warning: {warmup_warning(loaded.source, loaded.step)}")


def _in_words(loaded: TrainedGenerator, comparison: Comparison) -> str:
    half = comparison.precision == "fp16"
    allowed = f" ({HALF_TOLERANCE:.2g}, two grey levels, are allowed in half precision)" if half else ""
    differs = f"differs from the trained generator by {comparison.difference:.2g} at most{allowed}"
    return f"step {loaded.step}, {loaded.weights}; {differs}"
