"""OUT/summary.md and OUT/rows.jpg: what came out, for a person to read first."""

from typing import Any

from bench.gpu_proof.record import headline, read_lines
from bench.gpu_training.job import Job
from bench.gpu_training.probe import read_metrics
from bench.gpu_training.row import is_done, summary_of
from bench.gpu_training.snapshot import sheet_of
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.image.encode import encode

PAGE, SHEET = "summary.md", "rows.jpg"


def write_summary(job: Job) -> dict[str, Any]:
    """Write both; the rows that are done."""
    options = job.options
    lines = read_lines([job.lines.file])
    rows = [_row(job, name) for name in options.rows]
    scores = sorted({metric for row in rows for metric in row["scores"]})
    heads = ["row", "state", "images", "steps", "images/s", *scores]
    cells = [
        [
            row["row"],
            row["state"],
            f"{row['images']:,}",
            f"{row['steps']:,}",
            _number(row["images_per_second"]),
            *(_number(row["scores"].get(metric)) for metric in scores),
        ]
        for row in rows
    ]
    parts = [
        "# Training within some minutes",
        "",
        *(f"* {fact}" for fact in _facts(job, lines)),
        "",
        _line(heads),
        _line(["---"] * len(heads)),
        *map(_line, cells),
        "",
        "Columns of the sheet `rows.jpg`: the photo, then the rows in this order. Scores are of few pictures: compare",
        "them with each other alone.",
        "",
        *_failures(lines),
    ]
    write_atomically(options.out / PAGE, "\n".join(parts).rstrip() + "\n")
    drawn = [options.row_out(name) / "last" for name in options.rows if (options.row_out(name) / "last").is_dir()]
    if drawn:
        sheet = sheet_of(options.scratch / "pack" / "held_out", *drawn)
        write_atomically(options.out / SHEET, encode(sheet, "jpg", quality=90))
    return {"rows": {row["row"]: row["state"] for row in rows}}


def _row(job: Job, name: str) -> dict[str, Any]:
    done = is_done(job.options.row_out(name))
    if done is not None:
        return done | {"state": "done"}
    found = summary_of(name, read_metrics(job.options.run_folder(name)))
    return found | {"state": "not done" if found["steps"] else "not begun", "scores": {}}


def _facts(job: Job, lines: list[dict[str, Any]]) -> list[str]:
    options = job.options
    of = {line["stage"]: line["results"] for line in lines if line.get("ok") and line.get("results")}
    machine, pack, plan = of.get("machine", {}), of.get("unpack", {}), of.get("plan", {})
    facts = [
        f"{machine.get('device', 'no device')}, torch {machine.get('torch', '?')}, {machine.get('cores', '?')} cores"
        + (" (a rehearsal: sizes and results mean nothing)" if options.rehearse else ""),
        f"style {pack.get('style', '?')}: {pack.get('cartoons', '?')} cartoons of {pack.get('cartoon_scenes', '?')} "
        f"scenes, {pack.get('photos', '?')} photos of {pack.get('photo_scenes', '?')} scenes, "
        f"{pack.get('held_out', '?')} photos held out; JPEG of quality {pack.get('quality', '?')}",
        f"config {options.config}, seed {options.seed}, {options.image_size} px, weights {options.weights}, equal "
        f"{options.budget} for each row; {' '.join(options.words) or 'no other settings'}",
        f"{job.clock.used_seconds / 60:.1f} of {options.minutes:g} minutes used",
    ]
    if plan:
        starts = {line["row"]: line["results"]["start"] for line in lines if line["stage"] == "probe" and line["ok"]}
        facts.append("planned images: " + ", ".join(f"{name} {num:,}" for name, num in plan["images"].items()))
        facts.append("steps: " + ", ".join(f"{name}: {start}" for name, start in starts.items()))
    return facts


def _failures(lines: list[dict[str, Any]]) -> list[str]:
    failed = [line for line in lines if line.get("failure")]
    if not failed:
        return []
    told = [f"* {line['stage']} {line.get('row', '')}: {headline(line['failure'])}" for line in failed]
    return ["## Failures (whole in gpu_training.jsonl)", "", *told]


def _number(value: Any) -> str:
    return "" if value is None else f"{value:,.4g}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
