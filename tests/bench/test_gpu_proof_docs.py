"""docs/gpu.md is what the command writes from the recorded files, and explains every stage."""

import re
from pathlib import Path

import pytest

from bench.gpu_proof import comparison_tables, docs, tables
from bench.gpu_proof.__main__ import main
from bench.gpu_proof.plan import RESERVE_SECONDS, STAGES, in_groups, time_limit
from bench.gpu_proof.record import Line, read_lines

PAGE = docs.PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_command_writes() -> None:
    files = docs.recorded()
    assert files
    assert docs.rewritten(PAGE, files) == PAGE, "run: python -m bench.gpu_proof --write-docs"


def test_the_page_explains_every_stage_and_its_limit() -> None:
    before = PAGE.partition(docs.BEGIN)[0]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (\d+) \|", before, flags=re.MULTILINE)
    names = [name for row, _ in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(names) == sorted(stage.name for stage in STAGES)
    left, stages = 240 - RESERVE_SECONDS, list(STAGES)
    for group in in_groups(STAGES):
        seconds = time_limit(stages, left, num_first=len(group))
        [limit] = {limit for row, limit in rows if f"`{group[0].name}`" in row}
        assert float(limit) == pytest.approx(seconds, abs=0.51), group[0].name
        left, stages = left - seconds, stages[len(group) :]


def test_the_figures_of_the_first_gpu_are_shown_as_they_were_noted() -> None:
    lines = read_lines([docs.RECORDS / "2026-11-26-h100-by-hand.jsonl"])
    assert all("by hand" in line["source"] for line in lines)
    shown = tables.of_sessions(lines)
    assert "| 1 | bf16 | captured, iteration | 12.6 | 6.3 |" in shown
    assert "| 8 | bf16 | plain | 61.2 to 66.7 |" in shown
    assert "| NCHW, batch 8, 256 channels, 64x64 | 430 |" in shown
    assert "| layout copies | 11.6 |" in shown


def test_the_command_writes_between_the_marks_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, record = tmp_path / "gpu.md", tmp_path / "made.jsonl"
    page.write_text(f"before\n{docs.BEGIN}\nold\n{docs.END}\nafter\n")
    record.write_text('{"session": "s", "date": "2027-01-02", "stage": "versions", "ok": true, "device": "a card"}\n')
    monkeypatch.setattr(docs, "PAGE", page)
    assert main(["--write-docs", str(record)]) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "### a card, 2027-01-02" in text
    assert "old" not in text
    page.write_text("no marks")
    assert main(["--write-docs", str(record)]) == 2
    assert "lacks its marks" in capsys.readouterr().err


def test_a_failure_stands_in_the_table_in_one_line() -> None:
    failure = "Traceback (most recent call last):\n  File x\nRuntimeError: a | b"
    line = {"session": "s", "date": "2027-01-02", "stage": "speed", "ok": False, "failure": failure, "seconds": 3.0}
    assert "| speed | **failed** | 3 |  | RuntimeError: a \\| b |" in tables.of_sessions([line])
    cell = {"session": "s", "date": "2027-01-02", "stage": "speed", "part": "cell", "batch_size": 8}
    cell |= {"precision": "fp32", "kind": "plain", "failure": "Traceback x\nCUDA out of memory"}
    assert "| 8 | fp32 | plain | CUDA out of memory |" in tables.of_sessions([cell])


def test_goals_and_switches_stand_beside_what_was_measured() -> None:
    cell: Line = {"session": "s", "date": "2027-01-02", "stage": "speed", "part": "cell", "kind": "iteration"}
    lines: list[Line] = [
        cell | {"batch_size": 8, "precision": "bf16", "ms": 18.25, "peak_mib": 4100, "images_per_second": 438},
        cell | {"batch_size": 16, "precision": "bf16", "ms": 34.0, "images_per_second": 471},
        {**cell, "stage": "switches", "part": "switched", "kind": "everything", "ms": 18.0, "peak_mib": 3000},
        {**cell, "stage": "switches", "part": "switched", "kind": "fused_norm", "ms": 26.5, "peak_mib": 3300},
        {**cell, "stage": "switches", "part": "switched", "kind": "channels_last", "failure": "Traceback\nE: no"},
        {**cell, "stage": "input", "part": "input", "keep": "none", "data_wait_percent": 31.0, "images_per_second": 9},
        {**cell, "stage": "input", "part": "input", "keep": "host", "data_wait_percent": 0.4, "images_per_second": 9},
    ]
    shown = comparison_tables.goals(lines)
    assert "| batch 8, bf16, a step | 56.4 ms | at most 22 ms | 18.25 ms | reached |" in shown
    assert "| the same, the aim: half of the ceiling | 56.4 ms | at most 15 ms | 18.25 ms | not reached |" in shown
    assert "| at least 450 images/s | 471 images/s | reached |" in shown
    assert "| at most 3719 MiB | 4,100 MiB | not reached |" in shown
    assert "| batch 4 (the paper's), bf16, a step | 32.6 ms | at most 13 ms |  |  |" in shown
    assert "| at most 2 % | 0.4 % | reached |" in shown
    shown = comparison_tables.switched(lines)
    assert "| everything | 18 |  | 3,000 | a step of 17 to 20 ms |" in shown
    assert "| fused_norm | 26.5 | +8.50 | 3,300 | 7 to 9 ms" in shown
    assert "| channels_last | E: no |" in shown
    assert "| averaging_in_backward |  |  |  | hides" in shown
    assert comparison_tables.goals([]) == comparison_tables.switched([]) == ""
    assert comparison_tables.goals([line | {"rehearsal": True} for line in lines]) == ""


def test_averages_of_two_processes_are_shown_against_the_first_way() -> None:
    within: Line = {"part": "averaged", "kind": "within the backward", "processes": 2, "batch_size": 8, "ms": 18.0}
    after = within | {"kind": "after the backward", "ms": 18.75, "images_per_second": 853}
    shown = comparison_tables.averaging([within | {"images_per_second": 889}, after])
    assert "| 2 x 8 | within the backward | 18 |  | 889 |" in shown
    assert "| 2 x 8 | after the backward | 18.75 | +0.75 | 853 |" in shown
    assert comparison_tables.averaging([]) == ""


def test_drawings_and_compiled_norms_are_shown() -> None:
    drawn: Line = {"part": "drawing", "what": "256 px", "precision": "bf16", "batch_size": 15, "ms": 20.0}
    drawn |= {"images_per_second": 750, "share_of_ceiling": 0.25, "largest_difference": 9, "mean_difference": 0.4}
    large: Line = {"part": "drawing", "what": "12 MP", "precision": "fp32", "batch_size": 1, "ms": 800, "passes": 1}
    shown = comparison_tables.drawing([drawn, large | {"peak_mib": 30000}, {**drawn, "failure": "X: out of memory"}])
    assert "| 256 px | bf16 | 15 | 20 | 750 | 25% |  | 9, 0.4 |" in shown
    assert "| 12 MP | fp32 | 1 | 800 | 1.25 |  | 1 passes, 30,000 MiB |  |" in shown
    assert "| 256 px | bf16 | X: out of memory |" in shown
    way: Line = {
        "part": "compiled",
        "way": "torch.compile",
        "shape": [8, 64, 256, 256],
        "ms": 0.4,
        "start_seconds": 12.5,
    }
    assert "| 8 x 64 x 256 x 256 | torch.compile | 0.4 | 12.5 |" in comparison_tables.compiled([way])
