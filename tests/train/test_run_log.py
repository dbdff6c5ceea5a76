"""Records of a run."""

import json
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cartoon_dist.console.messages import print_message
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.run_log import RunLog


def test_records_go_to_both_places(tmp_path: Path) -> None:
    log = RunLog(RunFolder(tmp_path), step=0)
    log.record({"step": 3, "phase": "gan", "loss/content": 0.5})
    log.picture(3, np.zeros((4, 6, 3), np.uint8))
    log.close()
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 3, "phase": "gan", "loss/content": 0.5}
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss/content")] == [(3, 0.5)]
    assert [(event.width, event.height) for event in events.Images("samples")] == [(6, 4)]


def test_what_a_killed_run_wrote_beyond_its_checkpoint_is_taken_back(tmp_path: Path) -> None:
    lines = ['{"step": 1}', '{"step": 2}', '{"step": 3}', '{"other": 3}', '{"ste']
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    RunLog(RunFolder(tmp_path), step=2).close()
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n'


def test_a_line_is_one_line_whatever_names_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    print_message("warning: a\nerror: forged\x1b[2J\udcff")
    assert capsys.readouterr().err == "warning: a\\nerror: forged\\x1b[2J\\xff\n"
