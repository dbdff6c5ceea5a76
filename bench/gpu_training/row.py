"""A row from its training to its scores: `train`, then `finish`; a second start goes on where the first was killed."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bench.gpu_training import parts
from bench.gpu_training.job import STOPPED, Job, StageFailedError
from bench.gpu_training.plan import Rates, Shape, schedule_words
from bench.gpu_training.probe import read_metrics, start_limit
from bench.gpu_training.snapshot import LIMIT_SECONDS, Snapshots
from bench.gpu_training.starts import STARTS
from cartoon_dist.config.run_config import read_settings
from cartoon_dist.files.atomic import write_json

DONE = "row.json"
"""In the row's folder once everything of it is there."""
_LOG_SECONDS = 3.0
_NUM_SAMPLES = 4
_KEPT_FILES = ("config.yaml", "metrics.jsonl", "scores.json", "report.html")
_LIMIT_MARGIN = 20.0
"""Beyond the time at which a training ends itself: to save and to end."""


def train(
    job: Job, row: str, rates: Rates, shape: Shape, *, images: int, num_cartoons: int, seconds: float
) -> Snapshots:
    """Train the row to its end or until its seconds are over, drawings and exports meanwhile.

    A training that fails goes on from its checkpoint by the next way to start. StageFailedError where none works.
    """
    options, snapshots = job.options, Snapshots(job, row)
    batch = read_settings(options.row_words(row)).batch_size
    words = ["launch/train.py", *options.row_words(row)]
    words += schedule_words(shape, images=images, batch_size=batch, num_cartoons=num_cartoons)
    words += _frequencies(rates, batch=batch, steps=images // batch, checkpoint_seconds=options.pace.checkpoint)
    if has_ended(options.run_folder(row)):
        return snapshots
    end = job.clock.used_seconds + seconds
    failure: StageFailedError | None = None
    for start in STARTS[rates.level :]:
        left = end - job.clock.used_seconds - (rates.start_seconds if failure is None else 0)
        if left < 1:
            break
        try:
            with snapshots.meanwhile():
                job.run(
                    f"train-{row}",
                    [*words, f"max_hours={left / 3600:.8f}", *start.words],
                    seconds=left + start_limit(job) + _LIMIT_MARGIN,
                    good=(0, STOPPED),
                    environment=start.environment,
                )
        except StageFailedError as error:
            failure = error
            job.lines.append(stage="train", row=row, part="failed start", start=start.name, failure=str(error))
        else:
            return snapshots
    if snapshots.newest() is None:
        raise failure or StageFailedError(f"{row}: not trained: no time left")
    return snapshots


def finish(job: Job, row: str) -> dict[str, Any]:
    """The row's last model, drawings, scores and records into OUT; what fails is recorded and leaves the rest alone."""
    options, snapshots = job.options, Snapshots(job, row)
    checkpoint = snapshots.newest()
    if checkpoint is None:
        raise StageFailedError(f"{row}: has no checkpoint")
    with ThreadPoolExecutor(2) as pool:
        taken = pool.submit(job.attempt, "model", partial(snapshots.take, checkpoint, polite=False), row=row)
        scored = pool.submit(job.attempt, "scores", partial(_score, job, row), row=row)
        complete = None not in (taken.result(), scored.result())
    keep_records(job, row)
    out, rows = options.row_out(row), read_metrics(options.run_folder(row))
    drawings = snapshots.made / "drawings"
    for drawing in drawings.glob("*.jpg") if drawings.is_dir() else ():
        (out / "last").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(drawing, out / "last" / drawing.name)
    results = summary_of(row, rows) | {"scores": scored.result() or {}}
    if complete:
        write_json(out / DONE, results)
    return results


def keep_records(job: Job, row: str) -> None:
    """The run's own records into the row's folder, in parts where they are large."""
    run, out = job.options.run_folder(row), job.options.row_out(row)
    out.mkdir(parents=True, exist_ok=True)
    for name in _KEPT_FILES:
        file = run / name
        if file.is_file() and file.stat().st_size <= parts.PART_BYTES:
            shutil.copyfile(file, out / f".{name}.tmp")
            (out / f".{name}.tmp").replace(out / name)
        elif file.is_file():
            parts.split(file, out / f"{name}.parts")


def has_ended(run: Path) -> bool:
    """Whether the run has come to the end of its schedule."""
    try:
        return bool(json.loads((run / "exit.json").read_text(encoding="utf-8"))["status"] == 0)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def is_done(out: Path) -> dict[str, Any] | None:
    """What a finished row's folder says; None where it is not finished."""
    try:
        results: dict[str, Any] = json.loads((out / DONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return results


def summary_of(row: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Steps, images, and the middle speed of the GAN phase, by the run's records."""
    speeds = sorted(of["images_per_second"] for of in rows if of.get("phase") == "gan")
    last = rows[-1] if rows else {}
    return {
        "row": row,
        "steps": last.get("step", 0),
        "images": last.get("images", 0),
        "phase": last.get("phase", ""),
        "images_per_second": speeds[len(speeds) // 2] if speeds else None,
    }


def _score(job: Job, row: str) -> dict[str, Any]:
    run = job.options.run_folder(row)
    words = ["launch/fid.py", str(run), "score.features=efficientnet_lite0", "score.content=false"]
    words += [f"score.weights={job.options.weights}", f"weights_folder={job.options.scratch / 'pack' / 'weights'}"]
    job.run(f"score-{row}", [*words, f"device={job.options.device}"], seconds=LIMIT_SECONDS)
    found = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    newest = max(score["step"] for score in found)
    return {score["metric"]: score["value"] for score in found if score["step"] == newest}


def _frequencies(rates: Rates, *, batch: int, steps: int, checkpoint_seconds: float) -> list[str]:
    """How often it logs, saves and draws, by the measured speed."""
    steps_a_second = rates.gan / batch
    log, checkpoint = (max(1, round(steps_a_second * seconds)) for seconds in (_LOG_SECONDS, checkpoint_seconds))
    return [f"log_every={log}", f"checkpoint.every={checkpoint}", f"sample_every={max(1, steps // _NUM_SAMPLES)}"]
