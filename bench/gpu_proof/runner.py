"""Runs the stages one after the other, each with its limit, and records the result of each."""

import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from bench.gpu_proof import switches
from bench.gpu_proof.plan import CORES_A_STAGE, RESERVE_SECONDS, ROOT, Stage, in_groups, limit_in_group, time_limit
from bench.gpu_proof.processes import ProcessResult, kill_marked, mark_children, run_limited
from bench.gpu_proof.record import NOT_RUN, Line, Session, headline
from cartoon_dist.cpu.cores import num_usable_cores

LOG_CHARACTERS = 20_000
"""Of the output of a stage that failed, the end goes into its line; the whole stands in its log."""


def run_stages(session: Session, stages: Sequence[Stage], *, minutes: float) -> list[Line]:
    """The line of each stage, written to the file as soon as the stage has ended; all within the minutes.

    Whatever ends this call early also ends the processes that it has started.
    """
    deadline = time.monotonic() + minutes * 60 - RESERVE_SECONDS
    device: str | None = None
    lines: list[Line] = []
    left = list(stages)
    for group in in_groups(stages):
        seconds = time_limit(left, deadline - time.monotonic(), num_first=len(group))
        lines += _run_group(session, group, seconds=seconds, minutes=minutes, device=device)
        device = next((line["device"] for line in lines if line["device"]), None)
        left = left[len(group) :]
    return lines


def _run_group(
    session: Session, group: Sequence[Stage], *, seconds: float, minutes: float, device: str | None
) -> list[Line]:
    """Run stages at the same time, as many as the CPU has cores for."""
    end = time.monotonic() + seconds
    at_once = max(1, num_usable_cores() // CORES_A_STAGE)

    waiting, lock = list(group), Lock()

    def work(stage: Stage) -> Line:
        with lock:
            limit = limit_in_group(stage, waiting, end - time.monotonic(), num_at_once=at_once)
            waiting.remove(stage)
        return record_stage(session, stage, limit=limit, minutes=minutes, device=device)

    with mark_children() as mark, ThreadPoolExecutor(min(at_once, len(group))) as pool:
        try:
            return list(pool.map(work, group))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            kill_marked(mark)
            raise


def record_stage(session: Session, stage: Stage, *, limit: float, minutes: float, device: str | None) -> Line:
    """Run one stage, or leave it out where it has too little time, and write its line."""
    fields: dict[str, Any] = {"seconds": 0.0, "ok": False, "failure": NOT_RUN, "results": {}}
    if limit >= stage.least_seconds:
        try:
            fields |= run_stage(session, stage, limit=limit, minutes=minutes)
        except Exception:  # noqa: BLE001  whatever it was, the next stage runs
            fields |= {"failure": traceback.format_exc()}
    device = fields.pop("device", None) or device
    line = session.append(stage=stage.name, device=device, limit_seconds=round(limit, 1), **fields)
    show(f"{stage.name}: {in_words(line)}")
    return line


def run_stage(session: Session, stage: Stage, *, limit: float, minutes: float) -> dict[str, Any]:
    """Run one stage to its end or to its limit; seconds, ok, failure and results for its line.

    ok is None where the stage ran and had nothing to check here.
    """
    answer, log = session.folder / f"{stage.name}.json", session.folder / f"{stage.name}.log"
    ended = run_limited(
        stage.command or command_of(session, stage, limit=limit, minutes=minutes),
        seconds=limit,
        log=log,
        cwd=ROOT,
        environment=environment(session),
    )
    fields: dict[str, Any] = {"seconds": round(ended.seconds, 1), "ok": False, "failure": "", "results": {}}
    if answer.is_file():
        fields |= json.loads(answer.read_text(encoding="utf-8"))
    elif stage.command and ended.status == 0:
        fields["ok"] = True
    if why := _process_failure(ended, limit, answered=answer.is_file() or bool(stage.command)):
        fields["ok"] = False
        fields["failure"] = "\n".join(part for part in (why, fields["failure"], _end_of(log)) if part)
    return fields


def command_of(session: Session, stage: Stage, *, limit: float, minutes: float) -> list[str]:
    """The stage's own process."""
    words = [sys.executable, "-m", "bench.gpu_proof.child", stage.module, stage.name, str(session.out), session.name]
    words += ["--seconds", f"{limit:.1f}", "--minutes", f"{minutes:g}"]
    words += ["--rehearse"] * session.rehearse
    return words + [word for name in session.without for word in ("--without", name)]


def environment(session: Session) -> dict[str, str]:
    """Of all stages: the checkout first on the path, as the package may not be installed; the switches' variables.

    A rehearsal sees no GPU, so that it does the same everywhere.
    """
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if session.rehearse else {}
    return {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        **hidden,
        **switches.environment(session.without),
    }


def in_words(line: Line) -> str:
    """`passed in 12.3 s`."""
    words = {True: "passed", False: "failed", None: "nothing to check here"}[line["ok"]]
    why = headline(line["failure"])
    if why == NOT_RUN:
        return why
    return f"{words} in {line['seconds']} s" + (f": {why}" if why else "")


def show(text: str) -> None:
    """Print at once, also into a file or a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _process_failure(ended: ProcessResult, limit: float, *, answered: bool) -> str:
    if not ended.in_time:
        left = "" if ended.status is not None else ", and it did not die"
        return f"killed at its limit of {limit:.0f} s{left}"
    if ended.status != 0:
        return f"ended with status {ended.status}"
    return "" if answered else "ended without an answer"


def _end_of(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    return text if len(text) <= LOG_CHARACTERS else f"... (the whole is in {log.name})\n{text[-LOG_CHARACTERS:]}"
