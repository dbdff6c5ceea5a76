"""`launch/cartoonize.py` where INPUT is a film: each frame is drawn, the sound stays."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cartoon_dist.built_in import FILE as BUILT_IN
from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED
from cartoon_dist.config.commands import FilmSettings
from cartoon_dist.console.messages import pluralize, print_message, print_result
from cartoon_dist.console.progress import Progress
from cartoon_dist.errors import ConfigError
from cartoon_dist.extras import require
from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.inference.load import LoadedModel, load_to_draw
from cartoon_dist.inference.steady import SteadyStatistics

if TYPE_CHECKING:
    from cartoon_dist.film.look import FilmLook
    from cartoon_dist.film.read import FilmReader

FILM_OUTPUTS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
"""How the name of a drawn film ends, which is its container."""


def draw_film(model: Path, source: Path, target: Path, settings: FilmSettings) -> int:
    """Draw a film into `target`, or into a folder `target` under the film's own name; the exit status.

    What is drawn is kept in `target.parts/`, and the same command goes on from it. ConfigError for settings that do not
    fit, PictureError for a film that cannot be read, drawn or written, CheckpointError for a model.
    """
    require("film")
    from cartoon_dist.film import ffmpeg
    from cartoon_dist.film.read import FilmReader

    ffmpeg.silence()
    target = _output_file(source, target)
    with FilmReader(source, damaged=settings.damaged, max_megapixels=settings.max_megapixels) as reader:
        for notice in reader.facts.notices:
            print_message(f"warning: {source}: {notice}")
        loaded = load_to_draw(model, settings)
        try:
            with _stopped_by_sigterm(), without_tf32():
                return _draw(loaded, source, target, reader, settings)
        except KeyboardInterrupt:
            print_message(f"{target}: stopped; {target.name}.parts holds what is drawn, the same command goes on")
            return EXIT_STOPPED


def _output_file(source: Path, target: Path) -> Path:
    from cartoon_dist.film.tracks import is_drawn

    if target.is_dir():
        ending = source.suffix.lower() if source.suffix.lower() in FILM_OUTPUTS else ".mp4"
        target = target / f"{source.stem}{ending}"
    if target.suffix.lower() not in FILM_OUTPUTS:
        raise ConfigError(f"{target}: is no name of a film; end it in {', '.join(FILM_OUTPUTS)}, or name a folder")
    if target.exists() and (target.samefile(source) or not target.is_file()):
        raise ConfigError(f"{target}: is the film itself or no file; name another output")
    if target.exists() and not is_drawn(target):
        raise ConfigError(
            f"{target}: is there and was not drawn by this program, so it is not replaced; name another output or "
            "remove it"
        )
    return target


def _draw(loaded: LoadedModel, source: Path, target: Path, reader: "FilmReader", settings: FilmSettings) -> int:
    from cartoon_dist.film.draw import SteadyLight, draw_segments, segment_length
    from cartoon_dist.film.join import join_film
    from cartoon_dist.film.segments import PartsFolder

    look = _look(reader, target, settings)
    statistics = _statistics(loaded, settings)
    num_in_segment = settings.segment or segment_length(look)
    light = SteadyLight(
        cartoonizer=loaded.cartoonizer, statistics=statistics, steady=settings.steady, time_base=look.time_base
    )
    parts = PartsFolder(target)
    facts = _facts(loaded, source, look, settings, num_in_segment)
    with parts.opened(facts):
        progress = Progress(total=reader.facts.num_frames, unit="frames", label="cartoonize")
        with progress, statistics.attached() if statistics else nullcontext():
            draw_segments(reader, light, look, parts, num_frames=num_in_segment, on_frames=progress.update)
        left_out = join_film(source, target, parts, look, drawn=reader.facts.stream_index)
        num_frames = parts.num_frames()
    parts.remove()
    for track in left_out:
        print_message(f"warning: {target}: left out {track}")
    if reader.early_end:
        print_message(f"warning: {source}: {reader.early_end}; drawn as far as it goes")
    if reader.num_damaged:
        print_message(
            f"warning: {source}: {pluralize(reader.num_damaged, 'frame')} of it damaged; drawn as they could be decoded"
        )
    by = "the built-in model" if loaded.source == BUILT_IN else loaded.source
    print_result(f"{target}: {pluralize(num_frames, 'frame')} drawn by {by}")
    return EXIT_DONE


def _look(reader: "FilmReader", target: Path, settings: FilmSettings) -> "FilmLook":
    from cartoon_dist.film.look import FilmLook, choose_codec, choose_crf

    facts = reader.facts
    codec = choose_codec(settings.codec, target.suffix.lower())
    return FilmLook(
        width=facts.width,
        height=facts.height,
        time_base=facts.time_base,
        rate=facts.rate,
        pixel_aspect=facts.pixel_aspect,
        codec=codec,
        crf=choose_crf(settings.crf, codec),
        preset=settings.preset,
    )


def _statistics(loaded: LoadedModel, settings: FilmSettings) -> SteadyStatistics | None:
    """The statistics to ease; None where there are none, with a word where that is not what was asked for."""
    if settings.steady == 0:
        return None
    if loaded.generator is None:
        print_message(
            f"{loaded.source}: the statistics inside an .onnx cannot be eased, so the light may flicker: steady= eases "
            "what stands still alone; a run or a .safetensors export has both"
        )
        return None
    statistics = SteadyStatistics(loaded.generator)
    return statistics if statistics.has_layers else None


def _facts(
    loaded: LoadedModel, source: Path, look: "FilmLook", settings: FilmSettings, num_in_segment: int
) -> dict[str, Any]:
    """All that a segment depends on; segments drawn with other facts are of another film."""
    from cartoon_dist.film.ffmpeg import encoder_version
    from cartoon_dist.film.segments import film_fingerprint, model_fingerprint

    return {
        "film": film_fingerprint(source),
        "model": model_fingerprint(loaded.source, loaded.generator),
        "steady": settings.steady,
        "megapixels": settings.megapixels,
        "precision": settings.precision,
        "damaged": settings.damaged,
        "codec": look.codec,
        "crf": look.crf,
        "preset": look.preset,
        "segment": num_in_segment,
        "encoder": encoder_version(),
    }


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does. Another thread than the main one cannot set that up, and is not asked to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
