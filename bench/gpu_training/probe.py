"""The first seconds: how fast each row trains here, by a run of its own that is thrown away."""

import json
import shutil
from pathlib import Path
from typing import Any

from bench.gpu_training.job import STOPPED, Job, StageFailedError
from bench.gpu_training.plan import Rates, read_rates
from bench.gpu_training.starts import STARTS

START_SHARE, MAX_START_SECONDS, MIN_START_SECONDS = 0.15, 120.0, 60.0
"""A training may take so much of the minutes to start, within these limits; one that takes longer hangs."""


def measure(job: Job, row: str, *, level: int = 0) -> dict[str, Any]:
    """The row's rates, by the first way to start that works, from `level` on; StageFailedError where none does."""
    failures: list[str] = []
    for number in range(level, len(STARTS)):
        try:
            return vars(_measure(job, row, level=number)) | {"start": STARTS[number].name, "failed_starts": failures}
        except (StageFailedError, ValueError) as error:
            failures.append(f"{STARTS[number].name}: {error}")
    raise StageFailedError("\n\n".join(failures))


def start_limit(job: Job) -> float:
    """Seconds after which a training that has not begun hangs."""
    return min(MAX_START_SECONDS, max(MIN_START_SECONDS, START_SHARE * job.clock.left_seconds))


def _measure(job: Job, row: str, *, level: int) -> Rates:
    pace, start = job.options.pace, STARTS[level]
    run = job.options.scratch / "probes" / row
    shutil.rmtree(run, ignore_errors=True)  # of a start that was killed or has failed
    words = [*job.options.row_words(row), f"warmup.steps={pace.probe_steps[0]}", "epochs=1000000"]
    words += [f"max_steps={sum(pace.probe_steps)}"]
    words += [f"run_dir={run}", f"log_every={pace.probe_log_every}", "sample_every=1000000000"]
    words += ["checkpoint.every=1000000000", f"max_hours={pace.probe_seconds / 3600:.8f}", *start.words]
    try:
        ended = job.run(
            f"probe-{row}",
            ["launch/train.py", *words],
            seconds=pace.probe_seconds + start_limit(job),
            good=(0, STOPPED),
            environment=start.environment,
        )
        rows = read_metrics(run)
    finally:
        shutil.rmtree(run, ignore_errors=True)
    return read_rates(rows, total_seconds=ended.seconds, level=level)


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """A run's records; a last line that was not written whole is left out."""
    rows = []
    try:
        text = (run / "metrics.jsonl").read_text(encoding="utf-8")
    except OSError:
        return []
    for line in text.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows
