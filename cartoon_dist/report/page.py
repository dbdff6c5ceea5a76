"""`RUN/report.html`: a run to look at, in one file that opens anywhere, also without a network."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from cartoon_dist.config import overrides
from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.atomic import turn_at, write_whole
from cartoon_dist.files.folder_kinds import require_model_folder
from cartoon_dist.files.json_values import as_number
from cartoon_dist.report import chart_specs, charts, score_tables
from cartoon_dist.report.curves import in_words
from cartoon_dist.report.embedded_pictures import Frames, frames
from cartoon_dist.report.markup import Html, tag
from cartoon_dist.report.run_summary import Findings, defaults, find
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder

_CELL_PIXELS = 192
"""How large a picture of the grid is shown at least, where the page has room."""

_WAIT_SECONDS = 10.0
"""For another process that writes the same report: training goes on without it then."""


def write(run: RunFolder) -> Path:
    """Write a run's report, whole or not at all, from whatever the folder holds; the file's path.

    CheckpointError when the folder is no run, or another process keeps writing it; OSError when the disk is full.
    """
    if not run.root.is_dir():
        raise CheckpointError(f"{run.root}: there is no such run folder")
    require_model_folder(run.root)
    if checkpoint.is_one(run.root):
        raise CheckpointError(f"{run.root}: is a checkpoint; give the run_dir of a training, the folder that holds it")
    if not any(path.exists() for path in (run.config, run.metrics, run.sample(0).parent)):
        raise CheckpointError(
            f"{run.root}: is no run folder: it holds no config.yaml, no metrics.jsonl and no samples; give the run_dir "
            "of a training"
        )
    # Read and written in one turn: of two at once, the one that has read less may not be the last.
    with turn_at(run.report, CheckpointError, seconds=_WAIT_SECONDS):
        write_whole(run.report, page(find(run), written=datetime.now(UTC)))
    return run.report


def page(found: Findings, *, written: datetime) -> str:
    """The whole page. Its policy lets a browser load nothing: all it shows is inside."""
    name = found.run.root.resolve().name
    style, script = (
        files("cartoon_dist.report").joinpath(f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")
    )
    sha256 = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{sha256}'; base-uri 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{name}: report"),
        tag("style", Html(style)),
    )
    body = tag(
        "body",
        tag("header", tag("h1", name), tag("p", f"Written {written:%Y-%m-%d %H:%M} UTC", class_="note"), _facts(found)),
        _notes(found),
        tag(
            "main", tag("div", _samples(found), _curves(found), class_="side-by-side"), _scores(found), _settings(found)
        ),
        tag("script", Html(script)),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _facts(found: Findings) -> Html:
    pairs = [pair for pair in _known(found) if pair[1]]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), class_="facts")


def _known(found: Findings) -> Iterable[tuple[str, str]]:
    yield "state", ended(found.ended)
    last: Mapping[str, Any] = found.records.rows[-1] if found.records.rows else {}
    step, images, epoch = (as_number(last.get(name)) for name in ("step", "images", "epoch"))
    yield "step", in_words(step) if last else "none on record"
    if epoch == epoch:
        yield "phase", f"{'warm-up' if last.get('phase') == 'warmup' else 'GAN phase'}, epoch {in_words(epoch)}"
    yield "photos seen", in_words(images) if images == images else ""
    yield "time in steps", _duration(found)
    yield from found.counts.items()
    if found.settings:
        yield "picture size", f"{found.setting('image_size')} px"
        yield "batch", f"{found.setting('batch_size')}, {found.setting('precision')}"


def ended(held: Mapping[str, Any]) -> str:
    """How the run ended, from its exit.json."""
    if not held:
        return "going on, or killed: it has not said how it ended"
    status, reason = held.get("status"), str(held.get("reason") or "no reason given")
    if status == 0:
        return "done"
    if status == 75:
        return f"stopped on request ({reason}); the same command goes on"
    return f"broke off with status {status}: {reason}"


def _duration(found: Findings) -> str:
    """The time between the records, from how many photos they took at which speed."""
    seconds, before = 0.0, 0.0
    for row in found.records.rows:
        images, speed = as_number(row.get("images")), as_number(row.get("images_per_second"))
        if images == images and speed > 0:
            seconds += max(images - before, 0) / speed
            before = images
    if not seconds:
        return ""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"


def _notes(found: Findings) -> Html | None:
    if not found.notes:
        return None
    return tag("ul", *(tag("li", note) for note in found.notes), class_="notes")


def _samples(found: Findings) -> Html:
    held = frames(found.pictures)
    if not held.shown:
        return _section("samples", "Samples", tag("p", "No sample pictures yet.", class_="missing"), _left_out(held))
    last = len(held.shown) - 1
    steps = [f"{frame.step:,}" for frame in held.shown]
    pictures = [
        tag(
            "img",
            src=frame.address,
            width=frame.width * _enlarged(found, frame.width),
            alt=f"Sample pictures after step {frame.step:,}",
            data_step=f"{frame.step:,}",
            hidden=None if number == last else True,
        )
        for number, frame in enumerate(held.shown)
    ]
    slider = tag(
        "input", type="range", min=0, max=last, value=last, step=1, autocomplete="off", aria_label="after which step"
    )
    control = [slider, tag("button", "Play", type="button")] if last else []
    return _section(
        "samples",
        "Samples",
        tag("div", tag("output", f"after step {steps[-1]}"), *control, class_="control"),
        tag("div", *pictures, class_="frames"),
        tag("p", _columns(found), class_="note"),
        tag("p", f"{len(held.shown)} of {held.num_found} drawn are in this page.", _how(held), class_="note"),
        _left_out(held),
    )


def _columns(found: Findings) -> str:
    whose = "the running average of the weights" if found.setting("weights") == "ema" else "the weights as they are"
    drawn = f"G's drawing ({whose})"
    if found.setting("model.saliency") == "none":
        return f"A row is a photo, always the same ones. Columns: the photo, its saliency label, {drawn}."
    return (
        "A row is a photo, always the same ones. Columns: the photo, its saliency label, what S predicts, "
        f"{drawn}. Label against predicted saliency: the second column against the third; the saliency loss, in the "
        "curves, is their mean difference over the training photos."
    )


def _how(held: Frames) -> str:
    return " Compressed as JPEG; the originals are in samples/." if held.compressed else ""


def _left_out(held: Frames) -> Html | None:
    if not held.unreadable:
        return None
    return tag("p", f"No whole picture, left out: {', '.join(held.unreadable)}.", class_="missing")


def _enlarged(found: Findings, width: int) -> int:
    """By how much a grid is enlarged, so that small pictures can be seen."""
    size = as_number(found.setting("image_size"))
    cell = size if 0 < size <= width else width / 4
    return max(1, round(_CELL_PIXELS / cell))


def _curves(found: Findings) -> Html:
    drawn = [charts.draw(chart) for chart in chart_specs.charts(found)]
    if not found.records.rows:
        drawn.insert(0, tag("p", "No figures yet: metrics.jsonl is missing or empty.", class_="missing"))
    return _section("curves", "Curves", tag("div", *drawn, class_="charts"))


def _scores(found: Findings) -> Html:
    if not found.scored:
        nothing = "Not scored yet. launch/fid.py scores a run; score_at_end=true lets training end with a score."
        return _section("scores", "Scores", tag("p", nothing, class_="missing"))
    return _section("scores", "Scores", score_tables.tables(found.scored))


def _settings(found: Findings) -> Html:
    if not found.settings:
        return _section("settings", "Settings", tag("p", "config.yaml is missing or damaged.", class_="missing"))
    here, usual = overrides.flatten(found.settings), overrides.flatten(defaults())
    rows = [
        tag("tr", tag("th", tag("code", path), scope="row"), tag("td", _said(value)), tag("td", _said(usual.get(path))))
        for path, value in here.items()
        if path not in usual or value != usual[path]
    ]
    heads = tag("tr", *(tag("th", head, scope="col") for head in ("setting", "this run", "default")))
    return _section(
        "settings",
        "Settings that differ from the defaults",
        tag("div", tag("table", tag("thead", heads), tag("tbody", *rows)), class_="wide"),
        tag("p", f"All {len(here)} are in config.yaml.", class_="note"),
    )


def _said(value: object) -> str:
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _section(key: str, title: str, *content: object) -> Html:
    return tag("section", tag("h2", title), *content, id=key)
