"""The model card beside an exported generator: what it is, its training data, scores and licences."""

import json
import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cartoon_dist.config import overrides
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.escape import escape_line, shell_quoted
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.remote.fetch import local_folder
from cartoon_dist.errors import CartoonError, CheckpointError
from cartoon_dist.export.exporter import Comparison
from cartoon_dist.export.front_matter import OTHER_LICENCE, render_front_matter
from cartoon_dist.files.bounded import sha256_of
from cartoon_dist.files.json_values import float_or_nan
from cartoon_dist.metrics.score_file import protocol_of, read_scores
from cartoon_dist.models.blocks import num_parameters
from cartoon_dist.pretrained import KNOWN_WEIGHTS
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.method_from_config import needs_features
from cartoon_dist.runs.trained import TrainedGenerator

_log = logging.getLogger(__name__)

_PLACES = frozenset(
    {"run_dir", "init_from", "weights_folder", "data.photos", "data.cartoons", "data.cache", "data.num_workers"}
    | {"track", "track_project", "data.keep"}
)
_NOT_STATED = (
    "not stated; ask who built the shards. Whether a network may be given away that learned from a film is a question "
    "of the film's rights, and this card does not answer it"
)


def render_card(
    source: TrainedGenerator,
    out: Path,
    comparison: Comparison,
    *,
    scores: Sequence[Mapping[str, Any]],
    pictures_licence: str,
    licence: str = OTHER_LICENCE,
    name: str | None = None,
) -> str:
    """The card of the exported file `out`, as Markdown with a head in YAML.

    pictures_licence: what binds the pictures it learned from, in words. licence: of the weights, as a hub names it.
    name: what a user gives as the model, the file's name by default.
    """
    name = out.name if name is None else name
    parts = [
        render_front_matter(source.settings, licence=licence),
        f"# {_plain(name)}",
        'Turns photos into cartoons. Exported by cartoon_dist, which implements "Improved Cartoon Image Generation '
        'Method based on CartoonGan" (Zhang, Li).',
        _table(("", ""), _model_rows(source, out, comparison)),
        "## Use",
        _usage(name, is_onnx=out.suffix == ".onnx"),
        "## Trained on",
        _table(("", "samples to train on", "held out", "made from", "fingerprint"), _data_rows(source.settings)),
        "## Settings that differ from the defaults",
        _table(("setting", "value", "default"), _settings_rows(source.settings)),
        "## Scores",
        _table(("step", "score", "value", "counts", "features", "whose weights drew"), _score_rows(scores))
        if scores
        else "Not scored. `cartoon-dist fid` scores a run.",
        "## Licences",
        "\n".join(f"* {line}" for line in _licence_lines(source.settings, pictures_licence)),
    ]
    return "\n\n".join(parts) + "\n"


def _model_rows(source: TrainedGenerator, out: Path, comparison: Comparison) -> Iterable[tuple[str, ...]]:
    settings = source.settings
    sizes = " and ".join(f"{width} x {height}" for height, width in comparison.sizes)
    yield "file", f"{out.stat().st_size:,} bytes, sha256 `{sha256_of(out)}`"
    yield "generator", f"{num_parameters(source.generator):,} parameters, saliency network included"
    yield "from", f"run {_code(Path(settings.run_dir).name)}, step {source.step}, {_weights_in_words(source.weights)}"
    yield (
        "method",
        f"{settings.method}, trained at {settings.image_size} px, batch {settings.batch_size}, seed {settings.seed}",
    )
    if settings.init_from is not None:
        yield "began with", f"the weights of {_code(Path(settings.init_from).name)}"
    yield "images seen", f"{source.step * settings.batch_size:,}"
    yield (
        "compared",
        (
            f"with the trained generator on a photo at {sizes}: the drawings differ by at most "
            f"{comparison.difference:.2g}, in [-1, 1]"
            + ("; its weights are in half precision" if comparison.precision == "fp16" else "")
        ),
    )


def scores_of(loaded: TrainedGenerator) -> list[dict[str, Any]]:
    """The scores of a checkpoint for its card; none, and a warning, where they cannot be read."""
    try:
        scores = read_scores(RunFolder(loaded.source.parent).scores)
    except CheckpointError as error:
        _log.warning("warning: %s; the card is written without scores", error)
        return []
    return [score for score in scores if score.get("step") == loaded.step]


def _usage(name: str, *, is_onnx: bool) -> str:
    command = f"```\ncartoon-dist cartoonize {escape_line(shell_quoted(name))} PHOTOS CARTOONS\n```"
    python = (
        "```python\nfrom cartoon_dist import load\n\n"
        f"cartoonize = load({json.dumps(name)})\n"
        'cartoonize("photo.jpg").save("drawing.jpg")\n```'
    )
    tensors = (
        "Input `photo`: float32, n x 3 x h x w, RGB in [-1, 1] (`pixel / 127.5 - 1`), both sides multiples of 4, at "
        "least 8. Output `generated`: of the same shape and range."
    )
    return "\n\n".join([command, python, *([f"{tensors} Any ONNX runtime will do."] if is_onnx else [])])


def _data_rows(settings: TrainSettings) -> Iterable[tuple[str, ...]]:
    for domain, folder in (("photo", settings.data.photos), ("cartoon", settings.data.cartoons)):
        try:
            shards = Shards(folder=local_folder(folder, settings.data.cache), domain=domain, split=None)
        except CartoonError:
            yield f"{domain}s", "not known: the shards were not at hand", "", "", ""
            continue
        counts = shards.manifest.shards
        sources = {entry.source for entry in shards.entries()}
        yield (
            f"{domain}s",
            str(sum(shard.num_train for shard in counts)),
            str(sum(shard.num_test for shard in counts)),
            f"{len(sources)} pictures",
            f"`{shards.fingerprint()[:16]}`",
        )


def _settings_rows(settings: TrainSettings) -> Iterable[tuple[str, ...]]:
    values = overrides.flatten(overrides.to_dict(settings))
    defaults = overrides.flatten(overrides.to_dict(TrainSettings(run_dir="")))
    for path, value in values.items():
        if value != defaults[path] and path not in _PLACES:
            yield _code(path), _plain(value), _plain(defaults[path])


def _score_rows(scores: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, ...]]:
    for score in scores:
        value, constant = float_or_nan(score.get("value")), float_or_nan(protocol_of(score).get("constant_map"))
        if not math.isfinite(value):
            continue  # an entry that is none of ours, or one of an earlier release that was not finite
        protocol = protocol_of(score)
        beside = f" (constant map {constant:.4g})" if math.isfinite(constant) else ""
        counts = f"{_plain(score.get('num_generated'))} against {_plain(score.get('num_real'))}"
        metric, features = score.get("metric"), score.get("features")
        yield (
            _plain(score.get("step")),
            _code(metric),
            f"{value:.4g}{beside}",
            counts,
            _plain(features),
            _plain(protocol.get("weights", "")),
        )


def _licence_lines(settings: TrainSettings, pictures_licence: str) -> Iterable[str]:
    yield f"The pictures it was trained on: {pictures_licence or _NOT_STATED}."
    yield "The code that trained it: MIT."
    if needs_features(settings):
        network = settings.loss.content.network
        licence = KNOWN_WEIGHTS[network].licence
        yield f"Pretrained {network}, which judged its content and is not in the file: {licence}."
    if settings.model.saliency != "none":
        yield (
            "Its saliency network learned labels made after RBD and minimum barrier distance; their authors keep their "
            "own code for research, and call the latter patent pending. The labels were made by code written from the "
            "papers."
        )


def _weights_in_words(weights: str) -> str:
    return "the running average of its weights" if weights == "ema" else "its raw weights"


def _plain(text: object) -> str:
    """Text with the signs of Markdown and HTML escaped."""
    return re.sub(r"([\\`*<>]|^#|\[(?=[^\]]*\]\())", r"\\\1", escape_line(text))


def _code(text: object) -> str:
    return f"`{escape_line(text).replace('`', chr(39))}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
