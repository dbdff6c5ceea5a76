"""docs/gpu.md is what the command writes from the recorded files, and explains every stage."""

import re
from pathlib import Path

import pytest

from bench.gpu_proof import docs, tables
from bench.gpu_proof.__main__ import main
from bench.gpu_proof.plan import RESERVE_SECONDS, STAGES, in_groups, time_limit
from bench.gpu_proof.record import read_lines

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
