"""From the runs of the tables' rows to tables.md, tables.html and the grid of drawings."""

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, read_regular
from cartoon_dist.files.json_values import float_or_nan
from cartoon_dist.image.contact_sheet import SheetCell, contact_sheet
from cartoon_dist.image.decode import Picture
from cartoon_dist.image.png import encode_png
from cartoon_dist.metrics import score_file
from cartoon_dist.metrics.generated import generated_pictures, shard_pictures
from cartoon_dist.report.run_summary import Records, parse_records
from cartoon_dist.runs import networks_from_config, trained
from cartoon_dist.runs.estimate import parameter_counts
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import read_run_config
from cartoon_dist.tables.paper_curves import charts_of_results, distances_by_step
from cartoon_dist.tables.paper_tables import PaperRow, RowResult, render_html, render_markdown

NUM_PHOTOS = 6
"""How many held-out photos the grid shows."""
TrainedRuns = Sequence[tuple[PaperRow, int, Path]]
"""Rows with their seeds and run folders."""


def collect_results(runs: TrainedRuns) -> list[RowResult]:
    """The results of the runs that are scored; a run that is not trained to its end has none yet."""
    results = (_result(row, seed, RunFolder(folder)) for row, seed, folder in runs)
    return [result for result in results if result is not None]


def write_tables(out: Path, results: Sequence[RowResult], runs: TrainedRuns, command: str) -> list[Path]:
    """tables.md, tables.html and, where a run is trained, grid.png; their paths."""
    facts = _facts(results, command)
    paths = [out / "tables.md", out / "tables.html"]
    write_atomically(paths[0], render_markdown(results, facts, distances_by_step(results)))
    pixels = grid([(row, folder) for row, seed, folder in runs if (row.key, seed) in _first_seeds(results)])
    data_url = ""
    if pixels is not None:
        content = encode_png(pixels)
        paths.append(out / "grid.png")
        write_atomically(paths[-1], content)
        data_url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    write_atomically(paths[1], render_html(results, facts, grid=data_url, charts=charts_of_results(results)))
    return paths


def grid(rows: Sequence[tuple[PaperRow, Path]]) -> Picture | None:
    """The same photos, a column a method: the photo, then the output of each run's raw weights. RGB (h, w, 3)."""
    if not rows:
        return None
    settings = read_run_config(RunFolder(rows[0][1]).config)
    photos = Shards(folder=Path(settings.data.photos), domain="photo", split=settings.score.photos)
    # Spread over the split: tiles of one photo lie side by side.
    indices = sorted({len(photos) * part // NUM_PHOTOS for part in range(NUM_PHOTOS)})
    pictures = shard_pictures(photos, size=settings.image_size)
    columns = [("photo", pictures(indices))]
    for row, folder in rows:
        model = trained.load(folder, weights="raw")
        dtype = next(model.generator.parameters()).dtype
        columns.append((row.name, generated_pictures(pictures, model.generator, torch.device("cpu"), dtype)(indices)))
    cells = [
        SheetCell([column[index].permute(1, 2, 0).numpy()], name)
        for index in range(len(indices))
        for name, column in columns
    ]
    return contact_sheet(cells, side=max(128, settings.image_size), columns=len(columns))


def _result(row: PaperRow, seed: int, run: RunFolder) -> RowResult | None:
    if not run.config.exists() or not run.scores.exists():
        return None
    settings = read_run_config(run.config)
    scores = [score for score in score_file.read_scores(run.scores) if _belongs_to_tables(score, settings)]
    last_step = max((score["step"] for score in scores), default=0)
    last_scores = [score for score in scores if score["step"] == last_step]
    if not last_scores or not last_step:
        return None
    records = _records(run)
    images_seen, seconds = 0.0, 0.0
    for record in records.rows:
        images, rate = (float_or_nan(record.get(name)) for name in ("images", "images_per_second"))
        if math.isfinite(images) and rate > 0:
            seconds += (images - images_seen) / rate
            images_seen = images
    return RowResult(
        row=row,
        seed=seed,
        scores={score["metric"]: score["value"] for score in last_scores},
        errors={
            score["metric"]: error
            for score in last_scores
            if (error := score_file.protocol_of(score).get("standard_error")) is not None
        },
        images=int(images_seen),
        seconds=seconds,
        parameters=_parameters(settings),
        gmac=_gmac(settings),
        distances={score["step"]: score["value"] for score in scores if score["metric"] == last_scores[0]["metric"]},
        losses={name: _finite_values(records, name) for name in ("loss/content", "loss/adversarial_g")},
    )


def _belongs_to_tables(score: Mapping[str, Any], settings: TrainSettings) -> bool:
    """Whether a score is of raw weights and made as the run's settings say, not otherwise by hand."""
    score_settings, protocol = settings.score, score_file.protocol_of(score)
    step, value, metric = (score.get(key) for key in ("step", "value", "metric"))
    if not isinstance(step, int) or not isinstance(metric, str) or not math.isfinite(float_or_nan(value)):
        return False  # not written by this package, or damaged
    if metric.startswith("saliency") or protocol.get("weights") != "raw":
        return False
    photos = protocol.get("photos")
    split = photos.get("split") if isinstance(photos, dict) else None
    return score.get("features") in (score_settings.features, "lpips_vgg16") and split == score_settings.photos


def _records(run: RunFolder) -> Records:
    """The records of metrics.jsonl; none where it cannot be read, as times and curves are no part of a score."""
    try:
        return parse_records(read_regular(run.metrics, max_bytes=MAX_RECORD_BYTES))
    except OSError:
        return Records()


def _finite_values(records: Records, name: str) -> dict[int, float]:
    values = {record["step"]: float_or_nan(record.get(name)) for record in records.rows}
    return {step: value for step, value in values.items() if math.isfinite(value)}


def _first_seeds(results: Sequence[RowResult]) -> set[tuple[str, int]]:
    """The first seed of each row that has a result."""
    first: dict[str, int] = {}
    for result in results:
        first.setdefault(result.row.key, result.seed)
    return set(first.items())


def _facts(results: Sequence[RowResult], command: str) -> list[str]:
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
        generator = networks_from_config.build_networks(settings)["generator"]
        photo = torch.empty(1, 3, settings.image_size, settings.image_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        generator(photo)
    return counter.get_total_flops() / 2e9
