"""Our commands as jobs, on Slurm or as processes on this machine: the only file that imports submitit.

A job is an array of tasks, each of which runs one command, or one command that processes on all nodes run together. A
task that loses its node or reaches its time limit is put back into the queue and runs the same command again, which
must go on where it stopped.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.helpers import DelayedSubmission
from submitit.slurm import slurm

from cartoon_dist.cluster import requeue
from cartoon_dist.config.cluster import ClusterSettings
from cartoon_dist.console.command_names import is_clone
from cartoon_dist.console.escape import escape_line, first_control_character
from cartoon_dist.errors import ClusterError
from cartoon_dist.files.shipped import shipped

JOBS_FOLDER = "jobs"
"""The folder, in a shard folder or a run, that holds logs and submitit's files."""
_MAX_REQUEUES = 100
"""How often a task may reach its time limit; each time it has done a part of its work."""
_POLL_SECONDS = 0.2
_SIGNAL_SECONDS = 120
"""How long before its time limit a training job gets the signal to save."""
_FIRST_PORT, _NUM_PORTS = 20000, 10000
"""Below the ports that systems assign by themselves."""
SITE_VARIABLE = "CARTOON_DIST_SITE"
"""Names the file of shell commands that the site wants before a job's command; the scripts of slurm/ set it."""


@dataclass(frozen=True)
class CommandTask:
    """One task: a command of ours and its arguments."""

    command: Callable[[Sequence[str]], int]
    arguments: tuple[str, ...]

    def __call__(self) -> None:
        """Run the command in the job; its status, unless 0, becomes that of the job."""
        status = self.command(self.arguments)
        if status:
            sys.exit(status)

    def checkpoint(self) -> DelayedSubmission:
        """What runs when the task starts again after a requeue (submitit calls this on its signal)."""
        return DelayedSubmission(self)


@dataclass(frozen=True)
class DistributedTask(CommandTask):
    """One command run by all processes of a job, each with its rank and the rendezvous address in its environment."""

    def __call__(self) -> None:
        """Run the command as one of several processes."""
        here = submitit.JobEnvironment()
        os.environ |= {
            "RANK": str(here.global_rank),
            "WORLD_SIZE": str(here.num_tasks),
            "LOCAL_RANK": str(here.local_rank),
            "LOCAL_WORLD_SIZE": str(here.num_tasks // here.num_nodes),
            # The first node, as the sbatch file sets it; on this machine there is no other.
            "MASTER_ADDR": os.environ["MASTER_ADDR"] if here.cluster == "slurm" else "127.0.0.1",
            "MASTER_PORT": str(_FIRST_PORT + int(here.raw_job_id) % _NUM_PORTS),
            **({requeue.REQUEUE_VARIABLE: "yes"} if here.cluster == "slurm" else {}),
        }
        super().__call__()


@dataclass(frozen=True)
class SubmittedJob:
    """A submitted job: its tasks, in the order of submission or of the ranks.

    distributed: whether they are the processes of one command; of these only rank 0 reports errors that concern all.
    saves: whether they save when they get a signal to stop, so that an interrupt waits for their end.
    """

    tasks: Sequence[Any]
    folder: Path
    distributed: bool = False
    saves: bool = False

    @property
    def name(self) -> str:
        """The job's number, without those of its tasks."""
        return str(self.tasks[0].job_id).split("_")[0]

    def wait(self, tick: Callable[[], None]) -> None:
        """Wait until all tasks of a local job have ended, and call `tick` regularly meanwhile.

        Raises ClusterError that names the failed tasks, each with its last error line. An interrupt ends the tasks;
        those that save are waited for, unless there is a second interrupt.
        """
        try:
            self._poll(tick)
        except KeyboardInterrupt:
            if self.saves:
                self.tasks[0]._process.send_signal(signal.SIGTERM)  # submitit passes it on to every process
                self._poll(tick)
            else:
                for task in self.tasks:
                    task.cancel()
            raise
        failed = [(index, task) for index, task in enumerate(self.tasks, 1) if not _succeeded(task)]
        if failed:
            if self.distributed:
                failed = [(index, task) for index, task in failed if _error_lines(task)] or failed
            errors = "; ".join(f"task {index} of {len(self.tasks)}: {_last_error(task)}" for index, task in failed)
            raise ClusterError(f"{errors}; the logs are in {self.folder}; the same command goes on")

    def _poll(self, tick: Callable[[], None]) -> None:
        while not all(task.done() for task in self.tasks):
            tick()
            time.sleep(_POLL_SECONDS)
        tick()


def submit(tasks: Sequence[CommandTask], settings: ClusterSettings, *, name: str, folder: Path) -> SubmittedJob:
    """Submit the tasks as one job; logs and submitit's files go into the folder.

    On Slurm it returns at once. Raises ClusterError when there is no Slurm here, or it refuses the job.
    """
    return SubmittedJob(
        _submit_tasks(tasks, settings, _submitit_parameters(settings, name), name, folder), folder.absolute()
    )


def submit_distributed(
    task: DistributedTask, settings: ClusterSettings, *, name: str, folder: Path, saves: bool
) -> SubmittedJob:
    """Submit a command that `nodes * tasks_per_node` processes run together; otherwise as `submit`."""
    with _ignoring_interrupts() if saves and settings.cluster == "local" else nullcontext():
        [job] = _submit_tasks(
            [task], settings, _submitit_parameters(settings, name) | _distributed_parameters(settings), name, folder
        )
    tasks = [job.task(rank) for rank in range(job.num_tasks)]
    return SubmittedJob(tasks, folder.absolute(), distributed=True, saves=saves)


def _submit_tasks(
    tasks: Sequence[CommandTask], settings: ClusterSettings, parameters: dict[str, Any], name: str, folder: Path
) -> list[Any]:
    if settings.cluster == "slurm" and shutil.which("sbatch") is None:
        raise ClusterError(
            "cluster=slurm: there is no sbatch here; submit from a login node, or run it here with cluster=local"
        )
    folder = folder.absolute()  # nodes must find it whatever folder they start in
    check_script_names(folder, name)
    kind = submitit.SlurmExecutor if settings.cluster == "slurm" else submitit.LocalExecutor
    executor = kind(folder, max_num_timeout=_MAX_REQUEUES)
    try:
        executor.update_parameters(**parameters)
        with executor.batch():
            submitted = [executor.submit(task) for task in tasks]
    except (FailedSubmissionError, FailedJobError, subprocess.CalledProcessError) as error:
        raise ClusterError(f"{name}: Slurm refused the job: {_reason(error)}") from None
    return submitted


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Processes that are started in this block ignore Ctrl-C: submitit would kill them a second after it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def sbatch_file(num_tasks: int, settings: ClusterSettings, *, name: str, folder: Path) -> str:
    """The script that is given to sbatch for so many tasks."""
    count = num_tasks if num_tasks > 1 else None
    return _sbatch_text(_submitit_parameters(settings, name), name, folder, count)


def sbatch_file_distributed(settings: ClusterSettings, *, name: str, folder: Path) -> str:
    """The script that is given to sbatch for a command that several processes run together."""
    return _sbatch_text(_submitit_parameters(settings, name) | _distributed_parameters(settings), name, folder, None)


def check_script_names(folder: Path, name: str) -> None:
    """ClusterError for a name or a folder that is not safe in an sbatch script.

    submitit quotes both for the shell; a line end would still end a line of Slurm's options, and Slurm gives percent
    signs and backslashes in a folder a meaning of their own.
    """
    for text in (str(folder), name):
        if character := first_control_character(text):
            raise ClusterError(f"{escape_line(text)}: holds {character}, which no script may hold; use another name")
    if sign := re.search(r"[%\\]", str(folder)):
        raise ClusterError(f"{folder}: holds {sign[0]}, by which Slurm means something else; use another folder")


def _sbatch_text(parameters: dict[str, Any], name: str, folder: Path, count: int | None) -> str:
    check_script_names(folder, name)
    command = shlex.join([sys.executable, "-u", "-m", "submitit.core._submit", str(folder)])
    return slurm._make_sbatch_string(command=command, folder=folder, map_count=count, **parameters)


def _submitit_parameters(settings: ClusterSettings, name: str) -> dict[str, Any]:
    """The settings as submitit's parameters."""
    minutes = max(1, round(settings.time_hours * 60))
    if settings.cluster == "local":
        return {"timeout_min": minutes}
    optional = {key: getattr(settings, key) for key in ("partition", "account", "qos", "constraint")}
    return {
        **{key: value for key, value in optional.items() if value is not None},
        "job_name": name,
        "time": minutes,
        "cpus_per_task": settings.cpus,
        # Since Slurm 22.05 srun does not take this over from sbatch, and would give the task one core.
        "srun_args": [f"--cpus-per-task={settings.cpus}"],
        **({"mem": f"{round(settings.mem_gb * 1024)}MB"} if settings.mem_gb is not None else {}),
        **({"array_parallelism": settings.at_once} if settings.at_once is not None else {}),
        # Also after a node's failure.
        "additional_parameters": {"requeue": True},
        **({"setup": [f". {shlex.quote(str(site))}"]} if (site := _site_environment()) else {}),
    }


def _distributed_parameters(settings: ClusterSettings) -> dict[str, Any]:
    """The further parameters of a job whose processes work together."""
    if settings.cluster == "local":
        return {"tasks_per_node": settings.tasks_per_node, "gpus_per_node": settings.gpus_per_node}
    parameters = _submitit_parameters(settings, "")
    memory = settings.mem_gb and settings.mem_gb * settings.tasks_per_node
    return {
        "nodes": settings.nodes,
        "ntasks_per_node": settings.tasks_per_node,
        **({"gpus_per_node": settings.gpus_per_node} if settings.gpus_per_node else {}),
        **({"mem": f"{round(memory * 1024)}MB"} if memory else {}),
        "signal_delay_s": _SIGNAL_SECONDS,
        # A process that ends first does not end the others, whatever the site's default: rank 0 still has work to do,
        # and when a node is lost Slurm must notice it and requeue the job before srun gives up.
        "srun_args": [*parameters["srun_args"], "--kill-on-bad-exit=0", "--wait=0"],
        # The script runs on the first node. A site whose nodes use another name sets it in its environment.sh.
        "setup": ["export MASTER_ADDR=$(hostname)", *parameters.get("setup", [])],
    }


def _site_environment() -> Path | None:
    """The site's shell commands: those of the scripts by which the job is submitted, or a clone's; ClusterError where
    the scripts' are not there."""
    if named := os.environ.get(SITE_VARIABLE):
        if not Path(named).is_file():
            raise ClusterError(f"{SITE_VARIABLE}={named}: no such file; name the site's environment.sh, or unset it")
        return Path(named).absolute()
    site = shipped("slurm") / "environment.sh"
    return site if is_clone() else None


def _succeeded(task: Any) -> bool:
    return bool(task.paths.result_pickle.exists()) and task.exception() is None


def _last_error(task: Any) -> str:
    """The last error line of a task's log, or that there is none."""
    lines = _error_lines(task)
    return lines[-1] if lines else f"ended without a word of its own, see {task.paths.stderr.name}"


def _error_lines(task: Any) -> list[str]:
    try:
        lines = task.paths.stderr.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]


def _reason(error: Exception) -> str:
    output = getattr(error, "stderr", None) or str(error)
    text = output.decode(errors="replace") if isinstance(output, bytes) else str(output)
    return " ".join(text.split()) or "no reason given"
