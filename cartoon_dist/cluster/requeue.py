"""Requeue: how a job that was stopped by a signal and has saved puts itself back into Slurm's queue."""

import os
import subprocess

REQUEUE_VARIABLE = "CARTOON_DIST_REQUEUE"
"""Set in the environment of jobs that requeue themselves: those of launch/submit.py and of slurm/*.sh."""
MAX_RESTARTS = 100
"""How often a job may start again: one that is always stopped before its first step would return for ever."""
_TIMEOUT_SECONDS = 60


def requeue() -> str:
    """Put the Slurm job of this process back into the queue; a line that says so, empty where no job asks for it.

    For one process of the job, as its last action: Slurm then ends the others. Only a job that still runs is requeued;
    one that somebody cancelled stays cancelled, and one that Slurm is requeueing already is not requeued twice.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if not job or REQUEUE_VARIABLE not in os.environ:
        return ""
    if int(os.environ.get("SLURM_RESTART_COUNT", "0")) >= MAX_RESTARTS:
        return f"job {job} has started {MAX_RESTARTS} times again, and is not put back into the queue"
    try:
        state = _output_of("squeue", "--noheader", "--jobs", job, "--format", "%T").strip()
        if state != "RUNNING":
            return f"job {job} is left to Slurm ({state.lower() or 'gone'})"
        _output_of("scontrol", "requeue", job)
    except (OSError, subprocess.SubprocessError) as error:
        reason = " ".join((getattr(error, "stderr", None) or str(error)).split())
        return f"warning: job {job} could not be put back into the queue ({reason}); submit it again"
    return f"job {job} goes back into the queue"


def _output_of(*command: str) -> str:
    completed = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True)
    return completed.stdout
