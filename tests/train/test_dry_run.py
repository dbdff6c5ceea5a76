"""The hours that a dry run tells."""

from pathlib import Path

from cartoon_dist.config.run_config import read_settings
from cartoon_dist.train.dry_run import describe_run

RECORD = '{"step": 400, "phase": "gan", "images_per_second": 2.0}\n'


def told(run: Path) -> str:
    words = ["hayao", f"run_dir={run}", "batch_size=4", "max_steps=2200", f"data.photos={run / 'none'}"]
    said = describe_run(read_settings(words), world_size=1)
    [line] = [line for line in said.splitlines() if line.startswith("time:")]
    return line


def test_hours_at_the_last_measured_speed(tmp_path: Path) -> None:
    assert "unknown until the run has measured it" in told(tmp_path / "new")
    (tmp_path / "metrics.jsonl").write_text(RECORD)
    # Nothing is saved yet: all 2,200 steps of 4 photos at 2 a second.
    assert told(tmp_path).startswith("time: 1.22 hours for the 2,200 steps left, at 2 images a second as measured at")
    (tmp_path / "step-0000400").mkdir()
    (tmp_path / "step-0000400/manifest.json").write_text('{"format": 1}')
    assert told(tmp_path).startswith("time: 1 hours for the 1,800 steps left")
