"""A run folder as training fills it, trackers that keep everything on this machine, and what they have of a run."""

import json
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartoon_dist.config.reading import check
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.run_log import RunLog
from cartoon_dist.train.samples import write_sample_grid
from cartoon_dist.train.trackers.follow import Followers

TRACKERS = ("wandb", "mlflow", "trackio")
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f000112233"
"""A secret of the environment, as long as wandb's are."""


def keep_local(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let every tracker write below this folder, or below the run, and reach nobody."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (folder / "mlflow").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("TRACKIO_DIR", str(folder / "trackio"))


def settings_of(run: RunFolder, trackers: Sequence[str], **more: Any) -> TrainSettings:
    """Settings of a run that is followed; its shards lie where nobody else needs to know."""
    places = {"photos": "/home/somebody/private/photos", "cartoons": "s3://bucket/private/cartoons"}
    return check(TrainSettings, {"run_dir": str(run.root), "track": list(trackers), "data": places, **more})


def train_some(run: RunFolder, trackers: Sequence[str], steps: range, **more: Any) -> None:
    """Do what training does with a run folder, from the step before the first to the last."""
    run.root.mkdir(parents=True, exist_ok=True)
    run.write_config(settings_of(run, trackers, **more))
    log = RunLog(run, step=steps.start - 1)
    with Followers(run, trackers) as log.followers:
        for step in steps:
            write_step(run, log, step)
        log.close()


def write_step(run: RunFolder, log: RunLog, step: int) -> None:
    """The record and the sample picture of a step."""
    log.record({"step": step, "phase": "gan", "loss/content": 0.5 / step, "images": 4 * step})
    pixels = np.full((8, 12, 3), step, np.uint8)
    write_sample_grid(run.sample(step), pixels)
    log.picture(step, pixels)


def write_score(run: RunFolder, value: float, step: int) -> None:
    """The scores of a run, one."""
    protocol = {"weights": "ema", "photos": {"split": "test"}}
    run.scores.write_text(json.dumps([{"metric": "fid", "value": value, "step": step, "protocol": protocol}]))


def progress_of(run: RunFolder, tracker: str) -> dict[str, Any]:
    """What RUN/trackers/NAME.json says."""
    values: dict[str, Any] = json.loads((run.root / "trackers" / f"{tracker}.json").read_text())
    return values


def figures_at(tracker: str, run: RunFolder, store: Path) -> list[tuple[int, str, float]]:
    """All numbers that a tracker has of the run, as often as it has them: step, name, value; sorted."""
    rows = {"wandb": _wandb_figures, "mlflow": _mlflow_figures, "trackio": _trackio_figures}[tracker](run, store)
    return sorted((step, name, value) for step, name, value in rows if name != "step")


def pictures_at(tracker: str, run: RunFolder, store: Path) -> list[bytes]:
    """The sample pictures that a tracker has of the run."""
    where = {"wandb": run.root / "trackers", "mlflow": store / "mlflow", "trackio": store / "trackio" / "media"}
    return [path.read_bytes() for path in where[tracker].rglob("*.png")]


def wandb_records(run: RunFolder) -> Iterator[Any]:
    """The records in wandb's own files, which are logs of LevelDB: blocks of 32 KiB, parts of records in them."""
    from wandb.proto import wandb_internal_pb2

    for file in sorted((run.root / "trackers/wandb").glob("offline-run-*/*.wandb")):
        content, at, whole = file.read_bytes(), 7, b""
        assert content[:4] == b":W&B"
        while at + 7 <= len(content):
            if 32768 - at % 32768 < 7:
                at += 32768 - at % 32768
                continue
            _, length, kind = struct.unpack("<IHB", content[at : at + 7])
            whole += content[at + 7 : at + 7 + length]
            at += 7 + length
            if kind in (1, 4):  # a whole record, or its last part
                record = wandb_internal_pb2.Record()
                record.ParseFromString(whole)
                yield record
                whole = b""


def _wandb_figures(run: RunFolder, _store: Path) -> Iterator[tuple[int, str, float]]:
    for record in wandb_records(run):
        if record.WhichOneof("record_type") != "history":
            continue
        row = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        yield from (
            (row["step"], name, value)
            for name, value in row.items()
            if isinstance(value, (int, float)) and name[0] != "_" and not name.startswith("samples/")
        )


def _mlflow_figures(_run: RunFolder, store: Path) -> Iterator[tuple[int, str, float]]:
    [metrics] = (store / "mlflow").glob("*/*/metrics")
    for file in (path for path in metrics.rglob("*") if path.is_file()):
        for line in file.read_text().splitlines():
            value, step = line.split()[1:3]
            yield int(step), file.relative_to(metrics).as_posix(), float(value)


def _trackio_figures(_run: RunFolder, store: Path) -> Iterator[tuple[int, str, float]]:
    with closing(sqlite3.connect(store / "trackio" / "cartoon_dist.db")) as database:
        rows = database.execute("select step, metrics, run_id from metrics").fetchall()
    assert len({run_id for *_, run_id in rows}) == 1
    for step, metrics, _ in rows:
        yield from ((step, name, value) for name, value in json.loads(metrics).items() if name != "samples")
