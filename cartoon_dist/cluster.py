"""Our commands as jobs, on Slurm or as processes on this machine: the only file that knows submitit.

A job is an array of tasks, each one call of a command. A task that loses its node, or whose time is up, is put back in
the queue and does the same call again: a command that is submitted here goes on where it stopped.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.helpers import DelayedSubmission
from submitit.slurm import slurm

from cartoon_dist.errors import ClusterError
from cartoon_dist.settings import Count, Positive, settings

_MAX_REQUEUES = 100
"""How often a task may run out of time; each time it has done a part of its work."""
_POLL_SECONDS = 0.2


@settings
class ClusterSettings:
    """Where a command runs as a job, and what it asks of each node."""

    # slurm: submitted to the queue; local: processes on this machine, waited for.
    cluster: Literal["slurm", "local"] = "slurm"
    # Tasks of the job, each on a node (or a share of one) of its own.
    nodes: Count = 1
    cpus: Count = 8
    # Memory of a task in GiB; null asks for what the partition gives.
    mem_gb: Positive | None = None
    # The time limit of a task; one that reaches it goes back into the queue and goes on.
    time_hours: Positive = 4.0
    # How many tasks may run at once; null is all.
    at_once: Count | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None


@dataclass(frozen=True)
class Call:
    """One task: a command of ours, and the words it is given."""

    command: Callable[[Sequence[str]], int]
    words: tuple[str, ...]

    def __call__(self) -> None:
        """Run the command in the job; its status, unless 0, becomes that of the job."""
        status = self.command(self.words)
        if status:
            sys.exit(status)

    def checkpoint(self) -> DelayedSubmission:
        """What is to run when the task comes out of the queue again (submitit asks, on its signal)."""
        return DelayedSubmission(self)


@dataclass(frozen=True)
class Submitted:
    """A job that was handed over: its tasks, in the order of the calls."""

    tasks: Sequence[Any]
    folder: Path

    @property
    def name(self) -> str:
        """The job's number, without those of its tasks."""
        return str(self.tasks[0].job_id).split("_")[0]

    def wait(self, tick: Callable[[], None]) -> None:
        """Wait until all tasks of a local job have ended, and call `tick` now and then.

        Raises ClusterError that names the tasks that failed, with their own last words. An interrupt ends the tasks.
        """
        try:
            while not all(task.done() for task in self.tasks):
                tick()
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            for task in self.tasks:
                task.cancel()
            raise
        tick()
        failed = [(number, task) for number, task in enumerate(self.tasks, 1) if not _succeeded(task)]
        if failed:
            told = "; ".join(f"task {number} of {len(self.tasks)}: {_last_words(task)}" for number, task in failed)
            raise ClusterError(f"{told}; the logs are in {self.folder}; the same command goes on")


def submit(calls: Sequence[Call], asked: ClusterSettings, *, name: str, folder: Path) -> Submitted:
    """Hand the calls over as one job; logs and submitit's files go into the folder.

    On Slurm it returns at once. Raises ClusterError when there is no Slurm here, or it refuses the job.
    """
    if asked.cluster == "slurm" and shutil.which("sbatch") is None:
        raise ClusterError(
            "cluster=slurm: there is no sbatch here; submit from a login node, or run it here with cluster=local"
        )
    folder = folder.absolute()  # nodes are to find it whatever folder they start in
    kind = submitit.SlurmExecutor if asked.cluster == "slurm" else submitit.LocalExecutor
    executor = kind(folder, max_num_timeout=_MAX_REQUEUES)
    try:
        executor.update_parameters(**_parameters(asked, name))
        with executor.batch():
            tasks = [executor.submit(call) for call in calls]
    except (FailedSubmissionError, FailedJobError, subprocess.CalledProcessError) as error:
        raise ClusterError(f"{name}: Slurm refused the job: {_said(error)}") from None
    return Submitted(tasks, folder)


def sbatch_file(num_calls: int, asked: ClusterSettings, *, name: str, folder: Path) -> str:
    """The file that is handed to sbatch for so many calls."""
    command = f"{sys.executable} -u -m submitit.core._submit {folder}"
    count = num_calls if num_calls > 1 else None
    return slurm._make_sbatch_string(command=command, folder=folder, map_count=count, **_parameters(asked, name))


def _parameters(asked: ClusterSettings, name: str) -> dict[str, Any]:
    """The settings in submitit's words."""
    minutes = max(1, round(asked.time_hours * 60))
    if asked.cluster == "local":
        return {"timeout_min": minutes}
    wanted = {key: getattr(asked, key) for key in ("partition", "account", "qos", "constraint")}
    return {
        **{key: value for key, value in wanted.items() if value is not None},
        "job_name": name,
        "time": minutes,
        "cpus_per_task": asked.cpus,
        # Since Slurm 22.05 srun does not take this over from sbatch, and would give the task one core.
        "srun_args": [f"--cpus-per-task={asked.cpus}"],
        **({"mem": f"{round(asked.mem_gb * 1024)}MB"} if asked.mem_gb is not None else {}),
        **({"array_parallelism": asked.at_once} if asked.at_once is not None else {}),
        # After a node's failure, too.
        "additional_parameters": {"requeue": True},
    }


def _succeeded(task: Any) -> bool:
    return bool(task.paths.result_pickle.exists()) and task.exception() is None


def _last_words(task: Any) -> str:
    """The last error line of a task's log, or that there is none."""
    try:
        lines = task.paths.stderr.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else f"ended without a word of its own, see {task.paths.stderr.name}"


def _said(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return " ".join(text.split()) or "no reason given"
