"""`RUN/report.html`: a run to look at, in one file that opens anywhere, also without a network."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from cartoon_dist.config import overrides
from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.folder_kinds import require_model_folder
from cartoon_dist.files.json_values import float_or_nan
from cartoon_dist.files.locks import lock_file
from cartoon_dist.report import charts, rendering
from cartoon_dist.report.chart_specs import charts_of_run
from cartoon_dist.report.curves import format_value
from cartoon_dist.report.embedded_pictures import EmbeddedPicture, embed_pictures
from cartoon_dist.report.run_summary import RunSummary, default_settings, summarize_run
from cartoon_dist.report.score_tables import score_tables
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder

_CELL_PIXELS = 192
"""How large a picture of the grid is shown at least, where the page has room."""

_WAIT_SECONDS = 10.0
"""For another process that writes the same report: training goes on without it then."""


class ShownPicture(NamedTuple):
    """A sample picture as the template shows it."""

    step: str
    data_url: str
    width: int


class ChangedSetting(NamedTuple):
    """A setting that differs from its default, by its dotted path."""

    path: str
    value: str
    default: str


def write(run: RunFolder) -> Path:
    """Write a run's report, whole or not at all, from whatever the folder holds; the file's path.

    CheckpointError when the folder is no run, or another process keeps writing it; OSError when the disk is full.
    """
    if not run.root.is_dir():
        raise CheckpointError(f"{run.root}: there is no such run folder")
    require_model_folder(run.root)
    if checkpoint.is_checkpoint(run.root):
        raise CheckpointError(f"{run.root}: is a checkpoint; give the run_dir of a training, the folder that holds it")
    if not any(path.exists() for path in (run.config, run.metrics, run.sample(0).parent)):
        raise CheckpointError(
            f"{run.root}: is no run folder: it holds no config.yaml, no metrics.jsonl and no samples; give the run_dir "
            "of a training"
        )
    # Read and written in one turn: of two at once, the one that has read less may not be the last.
    with lock_file(run.report, CheckpointError, seconds=_WAIT_SECONDS):
        write_atomically(run.report, render(summarize_run(run), written=datetime.now(UTC)))
    return run.report


def render(summary: RunSummary, *, written: datetime) -> str:
    """The whole page."""
    script = rendering.asset("page.js")
    settings = overrides.flatten(summary.settings)
    return (
        rendering.environment()
        .get_template("page.html.jinja")
        .render(
            name=summary.run.root.resolve().name,
            style=rendering.asset("page.css"),
            script=script,
            # The one script that the page's policy lets the browser run.
            script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            written=f"{written:%Y-%m-%d %H:%M}",
            facts=[(term, description) for term, description in _facts(summary) if description],
            notes=summary.notes,
            **_samples(summary),
            has_records=bool(summary.records.rows),
            charts=[charts.layout(chart) for chart in charts_of_run(summary)],
            is_scored=bool(summary.scores),
            score_tables=score_tables(summary.scores),
            num_settings=len(settings),
            changed_settings=list(_changed_settings(settings)),
        )
    )


def _facts(summary: RunSummary) -> Iterable[tuple[str, str]]:
    yield "state", exit_state(summary.exit_record)
    last: Mapping[str, Any] = summary.records.rows[-1] if summary.records.rows else {}
    step, images, epoch = (float_or_nan(last.get(name)) for name in ("step", "images", "epoch"))
    yield "step", format_value(step) if last else "none on record"
    if epoch == epoch:
        yield "phase", f"{'warm-up' if last.get('phase') == 'warmup' else 'GAN phase'}, epoch {format_value(epoch)}"
    yield "photos seen", format_value(images) if images == images else ""
    yield "time in steps", _duration(summary)
    yield from summary.sample_counts.items()
    if summary.settings:
        yield "picture size", f"{summary.setting('image_size')} px"
        yield "batch", f"{summary.setting('batch_size')}, {summary.setting('precision')}"


def exit_state(exit_record: Mapping[str, Any]) -> str:
    """How the run ended, from its exit.json."""
    if not exit_record:
        return "going on, or killed: it has not said how it ended"
    status, reason = exit_record.get("status"), str(exit_record.get("reason") or "no reason given")
    if status == 0:
        return "done"
    if status == 75:
        return f"stopped on request ({reason}); the same command goes on"
    return f"broke off with status {status}: {reason}"


def _duration(summary: RunSummary) -> str:
    """The time between the records, from how many photos they took at which speed."""
    seconds, images_seen = 0.0, 0.0
    for row in summary.records.rows:
        images, speed = float_or_nan(row.get("images")), float_or_nan(row.get("images_per_second"))
        if images == images and speed > 0:
            seconds += max(images - images_seen, 0) / speed
            images_seen = images
    if not seconds:
        return ""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"


def _samples(summary: RunSummary) -> dict[str, object]:
    embedded = embed_pictures(summary.pictures)
    return {
        "samples": [_shown(picture, summary) for picture in embedded.shown],
        "columns": _columns(summary),
        "num_sample_files": embedded.num_files,
        "are_samples_compressed": embedded.compressed,
        "unreadable_samples": ", ".join(embedded.unreadable),
    }


def _shown(picture: EmbeddedPicture, summary: RunSummary) -> ShownPicture:
    return ShownPicture(f"{picture.step:,}", picture.data_url, picture.width * _scale(summary, picture.width))


def _columns(summary: RunSummary) -> str:
    whose = "the running average of the weights" if summary.setting("weights") == "ema" else "the weights as they are"
    generated = f"G's drawing ({whose})"
    if summary.setting("model.saliency") == "none":
        return f"A row is a photo, always the same ones. Columns: the photo, its saliency label, {generated}."
    return (
        "A row is a photo, always the same ones. Columns: the photo, its saliency label, what S predicts, "
        f"{generated}. Label against predicted saliency: the second column against the third; the saliency loss, in "
        "the curves, is their mean difference over the training photos."
    )


def _scale(summary: RunSummary, width: int) -> int:
    """By how much a grid is enlarged, so that small pictures can be seen."""
    size = float_or_nan(summary.setting("image_size"))
    cell = size if 0 < size <= width else width / 4
    return max(1, round(_CELL_PIXELS / cell))


def _changed_settings(settings: Mapping[str, Any]) -> Iterable[ChangedSetting]:
    defaults = overrides.flatten(default_settings())
    for path, value in settings.items():
        if path not in defaults or value != defaults[path]:
            yield ChangedSetting(path, _setting_text(value), _setting_text(defaults.get(path)))


def _setting_text(value: object) -> str:
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
