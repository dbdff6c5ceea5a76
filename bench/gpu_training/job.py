"""What all stages share: the options, the clock, the file of results, and how a command of the project is run."""

import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gpu_proof.plan import ROOT
from bench.gpu_proof.processes import ProcessResult, run_limited
from bench.gpu_proof.record import Session, headline
from bench.gpu_proof.runner import show
from bench.gpu_training.clock import Clock
from bench.gpu_training.options import Options
from cartoon_dist.errors import CartoonError

FILE_NAME = "gpu_training.jsonl"
STOPPED = 75
"""The status of a command that has stopped because its time was over, and has saved."""
_LOG_CHARACTERS = 6000
_SAVE_SECONDS = 8.0
"""What a command that is interrupted at its limit may take to write its results."""
_POLITE_THREADS = 4


class StageFailedError(Exception):
    """A stage that could not do its work; the text says why."""


class Lines(Session):
    """A start of the command: its lines go into gpu_training.jsonl."""

    @property
    def file(self) -> Path:
        """Where its lines go."""
        return self.out / FILE_NAME


@dataclass(frozen=True)
class Job:
    """A start of the command."""

    options: Options
    lines: Lines
    clock: Clock

    def attempt(
        self,
        stage: str,
        work: Callable[[], dict[str, Any]],
        *,
        given_up: Callable[[], bool] = lambda: False,
        **about: Any,
    ) -> dict[str, Any] | None:
        """Do a stage's work and record it as a line; its results, or None where it failed: the others go on.

        given_up: whether it was ended on purpose meanwhile, so that its failure is none.
        """
        begun = time.monotonic()
        results: dict[str, Any] | None = None
        failure = ""
        try:
            results = work()
        except (StageFailedError, CartoonError) as error:
            failure = str(error)
        except Exception:  # noqa: BLE001  whatever it was, the next stage runs, and the line says it whole
            failure = traceback.format_exc()
        if results is None and given_up():
            return None
        seconds = round(time.monotonic() - begun, 1)
        self.lines.append(
            stage=stage, **about, ok=results is not None, seconds=seconds, failure=failure, results=results or {}
        )
        name = " ".join([stage, *map(str, about.values())])
        show(f"{name}: {'done' if results is not None else f'failed: {headline(failure)}'} ({seconds} s)")
        return results

    def run(
        self,
        name: str,
        words: Sequence[str],
        *,
        seconds: float,
        good: Sequence[int] = (0,),
        environment: Mapping[str, str] | None = None,
        polite: bool = False,
    ) -> ProcessResult:
        """Run a Python command with a limit, its output into `NAME.log`; StageFailedError unless it ends well.

        polite: it sees no GPU, takes few threads and lets others go first, as it runs beside a training.
        """
        limit = min(seconds * self.options.pace.patience, self.clock.left_seconds)
        if limit < 1:
            raise StageFailedError(f"{name}: not run: no time left")
        log = self.lines.folder / f"{name}.log"
        nice = ["nice", "-n", "10"] if polite and shutil.which("nice") else []
        shown = {**self._environment(polite=polite), **(environment or {})}
        before = log.stat().st_size if log.is_file() else 0
        ended = run_limited(
            [*nice, sys.executable, *words],
            seconds=limit,
            log=log,
            cwd=ROOT,
            environment=shown,
            interrupt_seconds=_SAVE_SECONDS,
        )
        if not ended.in_time or ended.status not in good:
            why = f"ended with status {ended.status}" if ended.in_time else f"stopped after {limit:.0f} s"
            with log.open("rb") as file:
                file.seek(before)
                said = file.read().decode("utf-8", "replace")
            raise StageFailedError(f"{name}: {why}\n{' '.join(words)}\n{said[-_LOG_CHARACTERS:]}")
        return ended

    def _environment(self, *, polite: bool) -> dict[str, str]:
        path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
        shown = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        if polite or self.options.rehearse:
            shown["CUDA_VISIBLE_DEVICES"] = ""
        if polite:
            shown |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(_POLITE_THREADS))
        return shown
