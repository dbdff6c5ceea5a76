"""A stage's process: `python -m bench.gpu_proof.child MODULE STAGE OUT SESSION --seconds N`, started by the runner.

Its answer goes into SESSION/STAGE.json in OUT; an error goes there with its whole traceback.
"""

import argparse
import faulthandler
import importlib
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.gpu_proof.record import Session
from bench.gpu_proof.task import NothingToCheckError, StageError, Task
from cartoon_dist.files.json_values import nan_to_none

STACK_SECONDS = 1.5
"""A stage that is still running so long before its limit writes its stack traces into its log."""


def main(argv: Sequence[str]) -> int:
    """Run the stage and write its answer; 0 also where the stage failed, as its answer says so."""
    parser = argparse.ArgumentParser()
    for name in ("module", "stage", "out", "session"):
        parser.add_argument(name)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--without", action="append", default=[])
    arguments = parser.parse_args(argv)
    task = Task(
        stage=arguments.stage,
        session=Session(Path(arguments.out), arguments.session, arguments.rehearse, tuple(arguments.without)),
        seconds=arguments.seconds,
        minutes=arguments.minutes,
        begun=time.monotonic(),
    )
    faulthandler.enable()
    faulthandler.dump_traceback_later(max(0.5, arguments.seconds - STACK_SECONDS))
    answer = answer_of(arguments.module, task)
    (task.folder / f"{task.stage}.json").write_text(
        json.dumps(nan_to_none(answer), default=str, allow_nan=False), encoding="utf-8"
    )
    faulthandler.cancel_dump_traceback_later()
    return 0


def answer_of(module: str, task: Task) -> dict[str, Any]:
    """ok, failure and results of the stage; `device` where it has one."""
    ok: bool | None = True
    failure = ""
    results: dict[str, Any]
    try:
        results = importlib.import_module(f"bench.gpu_proof.{module}").run(task)
    except StageError as error:
        results, failure = error.results, str(error)
        ok = None if isinstance(error, NothingToCheckError) else False
    except Exception:  # noqa: BLE001  whatever it was, its line holds the whole traceback
        results, failure, ok = {}, traceback.format_exc(), False
    device = results.pop("device", None)
    return {"ok": ok, "failure": failure, "results": results} | ({"device": device} if device else {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
