"""A stage for each file of tests/gpu: its tests by pytest, counted, with the full text of each failure."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from bench.gpu_proof.plan import ROOT
from bench.gpu_proof.processes import run_limited
from bench.gpu_proof.task import NothingToCheckError, StageError, Task

KEPT_SECONDS = 3.0
"""Of the stage's limit: to end pytest, and to read what it has written."""
INTERRUPT_SECONDS = 1.5
LOG_CHARACTERS = 20_000
ALL_TESTS_MINUTES = 8.0
"""With less, the tests marked `slow` are left out."""


def run(task: Task) -> dict[str, Any]:
    """Counts, and why tests were skipped; StageError with the text of each failure."""
    file = ROOT / "tests" / "gpu" / f"test_{task.stage}.py"
    if not file.is_file():
        raise StageError(f"{file.relative_to(ROOT)}: there is no such file", {})
    report, log = task.folder / f"{task.stage}.xml", task.folder / f"{task.stage}-pytest.log"
    seconds = max(1.0, task.seconds_left - KEPT_SECONDS)
    ended = run_limited(
        command(task, file, report, seconds), seconds=seconds, log=log, cwd=ROOT, interrupt_seconds=INTERRUPT_SECONDS
    )
    output = log.read_text(encoding="utf-8", errors="replace")
    results: dict[str, Any] = read_report(report) if report.is_file() else {"passed": 0}
    failures = [f"{one['test']}\n{one['text']}" for one in results.pop("failures", [])]
    if not ended.in_time:
        results["passed"] = _passed_so_far(output)  # the report counts the test that was running, too
        failures.insert(0, f"pytest was stopped after {seconds:.0f} s\n{output[-LOG_CHARACTERS:]}")
    elif ended.status not in (0, 5) and not failures:  # 5: pytest found no test to run
        failures.append(f"pytest ended with status {ended.status}\n{output[-LOG_CHARACTERS:]}")
    if failures:
        raise StageError("\n\n".join(failures), results)
    if not results["passed"]:
        raise NothingToCheckError("no test ran: " + ("; ".join(results["skipped"]) or "none is selected"), results)
    return results


def command(task: Task, file: Path, report: Path, seconds: float) -> list[str]:
    """pytest on one file. The project's own options are replaced, as they ask for plugins that may be missing; a
    warning of another version of torch is no failure."""
    chosen = "gpu" if task.rehearse or task.minutes >= ALL_TESTS_MINUTES else "gpu and not slow"
    words = [sys.executable, "-m", "pytest", str(file.relative_to(ROOT)), "-m", chosen, "-v", "-W", "default"]
    words += [
        "-o",
        "addopts=--import-mode=importlib -ra --strict-markers -p no:cacheprovider",
        f"--junitxml={report.resolve()}",
    ]
    words += ["-o", f"faulthandler_timeout={max(1.0, seconds - 2):.0f}", "-o", f"timeout={max(5.0, seconds / 2):.0f}"]
    return words + ["--rehearse-gpu"] * task.rehearse


def read_report(report: Path) -> dict[str, Any]:
    """Numbers of tests by outcome, the reasons of skips, what tests have recorded (`record_property`), and `failures`:
    each failing test with its text."""
    passed, skipped, failures, recorded = 0, [], [], {}
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        failed_marks = [mark for mark in case if mark.tag in ("failure", "error")]
        skipped_marks = [mark for mark in case if mark.tag == "skipped"]
        if properties := {mark.get("name", ""): mark.get("value", "") for mark in case.iter("property")}:
            recorded[name] = properties
        if failed_marks:
            text = "\n".join(f"{mark.get('message', '')}\n{mark.text or ''}" for mark in failed_marks)
            failures.append({"test": name, "text": text})
        elif skipped_marks:
            skipped.append(f"{name}: {skipped_marks[0].get('message', '')}")
        else:
            passed += 1
    failed = [one["test"] for one in failures]
    return {"passed": passed, "failed": failed, "skipped": skipped, "noted": recorded, "failures": failures}


def _passed_so_far(output: str) -> int:
    return sum(" PASSED" in line for line in output.splitlines())
