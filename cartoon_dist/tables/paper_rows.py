"""From the runs of the tables' rows to tables.md, tables.html and the grid of drawings."""

import base64
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.files.atomic import MAX_RECORD_BYTES, read_regular, write_whole
from cartoon_dist.files.json_values import as_number
from cartoon_dist.image.contact_sheet import Strip, contact_sheet
from cartoon_dist.image.decode import Picture
from cartoon_dist.image.png import encode_png
from cartoon_dist.metrics import score_file
from cartoon_dist.metrics.generated import drawn, stored
from cartoon_dist.report.charts import draw
from cartoon_dist.report.run_summary import Records, records
from cartoon_dist.runs import setup, trained
from cartoon_dist.runs.estimate import parameter_counts
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import settings_of
from cartoon_dist.tables.paper_curves import charts, distances_by_step
from cartoon_dist.tables.paper_tables import Result, Row, html, markdown

NUM_PHOTOS = 6
"""How many held-out photos the grid shows."""
Runs = Sequence[tuple[Row, int, Path]]
"""Rows with their seeds and run folders."""


def collect(runs: Runs) -> list[Result]:
    """The results of the runs that are scored; a run that is not trained to its end has none yet."""
    found = (_result(row, seed, RunFolder(folder)) for row, seed, folder in runs)
    return [result for result in found if result is not None]


def write(out: Path, results: Sequence[Result], runs: Runs, command: str) -> list[Path]:
    """tables.md, tables.html and, where there is something to draw with, grid.png; their paths."""
    facts = _facts(results, command)
    paths = [out / "tables.md", out / "tables.html"]
    write_whole(paths[0], markdown(results, facts, distances_by_step(results)))
    pixels = grid([(row, folder) for row, seed, folder in runs if (row.key, seed) in _drawable(results)])
    address = ""
    if pixels is not None:
        content = encode_png(pixels)
        paths.append(out / "grid.png")
        write_whole(paths[-1], content)
        address = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    drawn_charts = [draw(chart) for chart in charts(results)]
    style = files("cartoon_dist.report").joinpath("report.css").read_text(encoding="utf-8")
    write_whole(paths[1], html(results, facts, grid=address, style=style, charts=drawn_charts))
    return paths


def grid(rows: Sequence[tuple[Row, Path]]) -> Picture | None:
    """The same photos, a column a method: photo, then what each run's raw weights draw. RGB (h, w, 3)."""
    if not rows:
        return None
    settings = settings_of(RunFolder(rows[0][1]).config)
    photos = Shards(folder=Path(settings.data.photos), domain="photo", split=settings.score.photos)
    # Spread over the split: tiles of one photo lie side by side.
    numbers = sorted({len(photos) * place // NUM_PHOTOS for place in range(NUM_PHOTOS)})
    pictures = stored(photos, size=settings.image_size)
    columns = [("photo", pictures(numbers))]
    for row, folder in rows:
        held = trained.load(folder, weights="raw")
        dtype = next(held.generator.parameters()).dtype
        columns.append((row.name, drawn(pictures, held.generator, torch.device("cpu"), dtype)(numbers)))
    strips = [
        Strip([column[number].permute(1, 2, 0).numpy()], name)
        for number in range(len(numbers))
        for name, column in columns
    ]
    return contact_sheet(strips, side=max(128, settings.image_size), columns=len(columns))


def _result(row: Row, seed: int, run: RunFolder) -> Result | None:
    if not run.config.exists() or not run.scores.exists():
        return None
    settings = settings_of(run.config)
    held = [score for score in score_file.read(run.scores) if _is_the_tables(score, settings)]
    last = max((score["step"] for score in held), default=0)
    made = [score for score in held if score["step"] == last]
    if not made or not last:
        return None
    told = _records(run)
    before, seconds = 0.0, 0.0
    for record in told.rows:
        images, rate = (as_number(record.get(name)) for name in ("images", "images_per_second"))
        if math.isfinite(images) and rate > 0:
            seconds += (images - before) / rate
            before = images
    return Result(
        row=row,
        seed=seed,
        scores={score["metric"]: score["value"] for score in made},
        errors={
            score["metric"]: e for score in made if (e := score_file.protocol(score).get("standard_error")) is not None
        },
        images=int(before),
        seconds=seconds,
        parameters=_parameters(settings),
        gmac=_gmac(settings),
        course={score["step"]: score["value"] for score in held if score["metric"] == made[0]["metric"]},
        figures={name: _figure(told, name) for name in ("loss/content", "loss/adversarial_g")},
    )


def _is_the_tables(score: Mapping[str, Any], settings: TrainSettings) -> bool:
    """Whether a score is of raw weights and made as the run's settings say, not otherwise by hand."""
    of, protocol = settings.score, score_file.protocol(score)
    step, value, metric = (score.get(key) for key in ("step", "value", "metric"))
    if not isinstance(step, int) or not isinstance(metric, str) or not math.isfinite(as_number(value)):
        return False  # nothing that our scores leave: somebody else's entry, or a damaged one
    if metric.startswith("saliency") or protocol.get("weights") != "raw":
        return False
    photos = protocol.get("photos")
    split = photos.get("split") if isinstance(photos, dict) else None
    return score.get("features") in (of.features, "lpips_vgg16") and split == of.photos


def _records(run: RunFolder) -> Records:
    """What metrics.jsonl tells; nothing where it cannot be read, as times and curves are no part of a score."""
    try:
        return records(read_regular(run.metrics, max_bytes=MAX_RECORD_BYTES))
    except OSError:
        return Records()


def _figure(told: Records, name: str) -> dict[int, float]:
    figures = {record["step"]: as_number(record.get(name)) for record in told.rows}
    return {step: figure for step, figure in figures.items() if math.isfinite(figure)}


def _drawable(results: Sequence[Result]) -> set[tuple[str, int]]:
    """The first seed of each row that has a result."""
    first: dict[str, int] = {}
    for result in results:
        first.setdefault(result.row.key, result.seed)
    return set(first.items())


def _facts(results: Sequence[Result], command: str) -> list[str]:
    if not results:
        return [f"`{command}`", "Nothing is trained to its end yet."]
    seen = {result.row.name: f"{result.images:,}" for result in results}
    unequal = ", ".join(f"{name} {images}" for name, images in seen.items()) if len(set(seen.values())) > 1 else ""
    return [
        *(
            [f"**Not alike: the rows saw different numbers of images** ({unequal}); give all batch_size and max_steps."]
            if unequal
            else []
        ),
        f"`{command}`",
        "FIDs of the paper are of its own data and counts; compare orders and gaps, not values. All rows here: the "
        "same pictures, order, batch, budget and settings but for what the row names; raw weights draw the held-out "
        "photos, scored against all cartoons of the style. A mean stands with its deviation over the seeds.",
    ]


def _parameters(settings: TrainSettings) -> int:
    """G's, with the saliency network that feeds it."""
    return sum(count for name, count in parameter_counts(settings).items() if name != "discriminator")


def _gmac(settings: TrainSettings) -> float:
    """Multiplications of a drawing at the run's size, in 10^9; S's where there is one."""
    with torch.device("meta"):
        generator = setup.build_networks(settings)["generator"]
        photo = torch.empty(1, 3, settings.image_size, settings.image_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        generator(photo)
    return counter.get_total_flops() / 2e9
