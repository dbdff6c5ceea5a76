"""What a report says of steps that fp16's scaler left out."""

import json
from pathlib import Path

import pytest
import torch

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.bad_samples import BadSamples
from cartoon_dist.train.meter import Meter
from cartoon_dist.train.phase import StepLog
from cartoon_dist.train.reporter import Reporter
from cartoon_dist.train.run_log import RunLog
from cartoon_dist.train.schedule import Schedule


def test_steps_left_out_are_said_and_the_record_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = read(TrainSettings, [], ["log_every=4", "warmup.steps=0", "precision=fp16"], run_dir=str(tmp_path))
    schedule = Schedule(settings=settings, num_photos=8, num_cartoons=8)
    log = RunLog(RunFolder(tmp_path), step=0)
    reporter = Reporter(schedule=schedule, log=log, meter=Meter(), bad_samples=BadSamples(max_damaged=0), step=0)
    for step, norm in enumerate((1.0, float("inf"), 3.0, float("nan")), 1):
        figures = {"norm/generator": norm, "skipped/generator": float(step % 2 == 0), "loss/content": norm}
        reporter.report(step, StepLog({name: torch.tensor(value) for name, value in figures.items()}, {"content": 1.0}))
    reporter.close()
    assert "step 4: 2 of 4 steps of the generator left out, as their gradients overflowed" in capsys.readouterr().err
    [record] = (tmp_path / "metrics.jsonl").read_text().splitlines()
    held = json.loads(record, parse_constant=pytest.fail)  # NaN is no JSON
    assert (held["norm/generator"], held["skipped/generator"], held["loss/content"]) == (2.0, 0.5, 2.0)


def test_an_interval_without_any_finite_loss_is_reported_without_it(tmp_path: Path) -> None:
    settings = read(TrainSettings, [], ["log_every=1", "warmup.steps=0", "precision=fp16"], run_dir=str(tmp_path))
    schedule = Schedule(settings=settings, num_photos=8, num_cartoons=8)
    log = RunLog(RunFolder(tmp_path), step=0)
    reporter = Reporter(schedule=schedule, log=log, meter=Meter(), bad_samples=BadSamples(max_damaged=0), step=0)
    figures = {"skipped/generator": torch.tensor(1.0), "loss/content": torch.tensor(float("nan"))}
    reporter.report(1, StepLog(figures, {"content": 1.0}))
    reporter.close()
    assert "loss/content" not in json.loads((tmp_path / "metrics.jsonl").read_text())
