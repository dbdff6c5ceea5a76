"""The card beside an exported generator: what it is, what it was trained on, how it scored, what binds its use."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cartoon_dist.config import overrides
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.escape import on_a_line, typed
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.remote.fetch import at_hand
from cartoon_dist.errors import CartoonError
from cartoon_dist.export.export import Comparison
from cartoon_dist.files.atomic import sha256_of
from cartoon_dist.files.json_values import as_number
from cartoon_dist.metrics.score_file import protocol as protocol_of
from cartoon_dist.models.blocks import num_parameters
from cartoon_dist.pretrained import KNOWN
from cartoon_dist.runs.setup import needs_features
from cartoon_dist.runs.trained import Trained

_PLACES = frozenset(
    {"run_dir", "init_from", "weights_folder", "data.photos", "data.cartoons", "data.cache", "data.num_workers"}
)
_NOT_STATED = (
    "not stated; ask who built the shards. Whether a network may be given away that learned from a film is a question "
    "of the film's rights, and this card does not answer it"
)


def card(
    held: Trained, out: Path, comparison: Comparison, *, scores: Sequence[Mapping[str, Any]], pictures_licence: str
) -> str:
    """The card of the exported file `out`, as Markdown."""
    parts = [
        f"# {_plain(out.name)}",
        'Turns photos into cartoons. Exported by cartoon_dist, which implements "Improved Cartoon Image Generation '
        'Method based on CartoonGan" (Zhang, Li).',
        _table(("", ""), _what(held, out, comparison)),
        "## Use",
        _use(out),
        "## Trained on",
        _table(("", "samples to train on", "held out", "made from", "fingerprint"), _data(held.settings)),
        "## Settings that differ from the defaults",
        _table(("setting", "value", "default"), _settings(held.settings)),
        "## Scores",
        _table(("step", "score", "value", "counts", "features", "whose weights drew"), _scores(scores))
        if scores
        else "Not scored. `launch/fid.py` scores a run.",
        "## Licences",
        "\n".join(f"* {line}" for line in _licences(held.settings, pictures_licence)),
    ]
    return "\n\n".join(parts) + "\n"


def _what(held: Trained, out: Path, comparison: Comparison) -> Iterable[tuple[str, ...]]:
    settings = held.settings
    sizes = " and ".join(f"{width} x {height}" for height, width in comparison.sizes)
    yield "file", f"{out.stat().st_size:,} bytes, sha256 `{sha256_of(out)}`"
    yield "generator", f"{num_parameters(held.generator):,} parameters, saliency network included"
    yield "from", f"run {_code(Path(settings.run_dir).name)}, step {held.step}, {_whose(held.weights)}"
    yield (
        "method",
        f"{settings.method}, trained at {settings.image_size} px, batch {settings.batch_size}, seed {settings.seed}",
    )
    if settings.init_from is not None:
        yield "began with", f"the weights of {_code(Path(settings.init_from).name)}"
    yield "images seen", f"{held.step * settings.batch_size:,}"
    yield (
        "compared",
        (
            f"with the trained generator on a photo at {sizes}: the drawings differ by at most "
            f"{comparison.difference:.2g}, in [-1, 1]"
        ),
    )


def _use(out: Path) -> str:
    lines = ["```", f"python launch/cartoonize.py {on_a_line(typed(out.name))} PHOTOS CARTOONS", "```"]
    contract = (
        "Input `photo`: float32, n x 3 x h x w, RGB in [-1, 1] (`pixel / 127.5 - 1`), both sides multiples of 4, at "
        "least 8. Output `generated`: of the same shape and range."
    )
    return "\n".join(lines) + (f"\n\n{contract} Any ONNX runtime will do." if out.suffix == ".onnx" else "")


def _data(settings: TrainSettings) -> Iterable[tuple[str, ...]]:
    for domain, folder in (("photo", settings.data.photos), ("cartoon", settings.data.cartoons)):
        try:
            shards = Shards(folder=at_hand(folder, settings.data.cache), domain=domain, split=None)
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


def _settings(settings: TrainSettings) -> Iterable[tuple[str, ...]]:
    given = overrides.flatten(overrides.plain(settings))
    usual = overrides.flatten(overrides.plain(TrainSettings(run_dir="")))
    for path, value in given.items():
        if value != usual[path] and path not in _PLACES:
            yield _code(path), _plain(value), _plain(usual[path])


def _scores(scores: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, ...]]:
    for score in scores:
        number, constant = as_number(score.get("value")), as_number(protocol_of(score).get("constant_map"))
        if not math.isfinite(number):
            continue  # an entry of somebody else's, or of an earlier release that was not finite
        protocol = protocol_of(score)
        beside = f" (constant map {constant:.4g})" if math.isfinite(constant) else ""
        counts = f"{_plain(score.get('num_generated'))} against {_plain(score.get('num_real'))}"
        value = f"{number:.4g}{beside}"
        metric, features = score.get("metric"), score.get("features")
        yield (
            _plain(score.get("step")),
            _code(metric),
            value,
            counts,
            _plain(features),
            _plain(protocol.get("weights", "")),
        )


def _licences(settings: TrainSettings, pictures_licence: str) -> Iterable[str]:
    yield f"The pictures it was trained on: {pictures_licence or _NOT_STATED}."
    yield "The code that trained it: MIT."
    if needs_features(settings):
        network = settings.loss.content.network
        yield f"Pretrained {network}, which judged its content and is not in the file: {KNOWN[network].licence}."
    if settings.model.saliency != "none":
        yield (
            "Its saliency network learned labels made after RBD and minimum barrier distance; their authors keep their "
            "own code for research, and call the latter patent pending. The labels were made by code written from the "
            "papers."
        )


def _whose(weights: str) -> str:
    return "the running average of its weights" if weights == "ema" else "its raw weights"


def _plain(text: object) -> str:
    """Text that neither Markdown nor the HTML in it reads as more than that."""
    return re.sub(r"([\\`*<>]|^#|\[(?=[^\]]*\]\())", r"\\\1", on_a_line(text))


def _code(text: object) -> str:
    return f"`{on_a_line(text).replace('`', chr(39))}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
