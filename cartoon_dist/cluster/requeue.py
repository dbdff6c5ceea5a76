"""Going back into Slurm's queue: what a job does that was stopped and has saved, and that was started to do so."""

import os
import subprocess

ASKED_FOR = "CARTOON_DIST_REQUEUE"
"""In the environment of jobs that go back by themselves: those of launch/submit.py and of slurm/*.sh."""
MOST = 100
"""How often a job may start again: one that is stopped before it has done a step would come back for ever."""
_LIMIT_SECONDS = 60


def requeue() -> str:
    """Put the Slurm job of this process back into the queue and say so; empty where no job wants that.

    For one process of the job, as its last deed: Slurm then ends the others. Only a job that still runs is put back;
    one that somebody cancelled stays cancelled, and one that Slurm is putting back already is not put back twice.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if not job or ASKED_FOR not in os.environ:
        return ""
    if int(os.environ.get("SLURM_RESTART_COUNT", "0")) >= MOST:
        return f"job {job} has started {MOST} times again, and is not put back into the queue"
    try:
        state = _said("squeue", "--noheader", "--jobs", job, "--format", "%T").strip()
        if state != "RUNNING":
            return f"job {job} is left to Slurm ({state.lower() or 'gone'})"
        _said("scontrol", "requeue", job)
    except (OSError, subprocess.SubprocessError) as error:
        said = " ".join((getattr(error, "stderr", None) or str(error)).split())
        return f"warning: job {job} could not be put back into the queue ({said}); submit it again"
    return f"job {job} goes back into the queue"


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=True)
    return done.stdout
