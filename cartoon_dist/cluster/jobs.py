"""Our commands as jobs, on Slurm or as processes on this machine: the only file that knows submitit.

A job is an array of tasks, each one call of a command, or one call that processes on all nodes make together. What
loses its node, or whose time is up, is put back in the queue and does the same call again: a command that is submitted
here goes on where it stopped.
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
from cartoon_dist.console.escape import hidden, on_a_line
from cartoon_dist.errors import ClusterError

JOBS = "jobs"
"""The folder, in a shard folder or a run, where logs and submitit's files lie."""
_MAX_REQUEUES = 100
"""How often a task may run out of time; each time it has done a part of its work."""
_POLL_SECONDS = 0.2
_SIGNAL_SECONDS = 120
"""How long before its time limit a training job is told to save."""
_FIRST_PORT, _NUM_PORTS = 20000, 10000
"""Below the ports that systems give out by themselves."""
_SITE = Path(__file__).resolve().parents[2] / "slurm/environment.sh"
"""What the site wants before a command; there only in a clone of the project."""


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
class Together(Call):
    """One call made by all processes of a job, each of which is told its rank and where the others are to be met."""

    def __call__(self) -> None:
        """Run the command as one of several processes."""
        here = submitit.JobEnvironment()
        os.environ |= {
            "RANK": str(here.global_rank),
            "WORLD_SIZE": str(here.num_tasks),
            "LOCAL_RANK": str(here.local_rank),
            "LOCAL_WORLD_SIZE": str(here.num_tasks // here.num_nodes),
            # The first node, as the sbatch file says; on this machine there is no other.
            "MASTER_ADDR": os.environ["MASTER_ADDR"] if here.cluster == "slurm" else "127.0.0.1",
            "MASTER_PORT": str(_FIRST_PORT + int(here.raw_job_id) % _NUM_PORTS),
            **({requeue.ASKED_FOR: "yes"} if here.cluster == "slurm" else {}),
        }
        super().__call__()


@dataclass(frozen=True)
class Submitted:
    """A job that was handed over: its tasks, in the order of the calls or of the ranks.

    together: whether they are processes of one call, of which rank 0 speaks for all; saves: whether these save when
    they are told to stop, so that their end is worth waiting for.
    """

    tasks: Sequence[Any]
    folder: Path
    together: bool = False
    saves: bool = False

    @property
    def name(self) -> str:
        """The job's number, without those of its tasks."""
        return str(self.tasks[0].job_id).split("_")[0]

    def wait(self, tick: Callable[[], None]) -> None:
        """Wait until all tasks of a local job have ended, and call `tick` now and then.

        Raises ClusterError that names the tasks that failed, with their own last words. An interrupt ends the tasks;
        those that save are waited for, unless it comes twice.
        """
        try:
            self._watch(tick)
        except KeyboardInterrupt:
            if self.saves:
                self.tasks[0]._process.send_signal(signal.SIGTERM)  # which submitit hands on to every process
                self._watch(tick)
            else:
                for task in self.tasks:
                    task.cancel()
            raise
        failed = [(number, task) for number, task in enumerate(self.tasks, 1) if not _succeeded(task)]
        if failed:
            if self.together:
                failed = [(number, task) for number, task in failed if _words(task)] or failed
            told = "; ".join(f"task {number} of {len(self.tasks)}: {_last_words(task)}" for number, task in failed)
            raise ClusterError(f"{told}; the logs are in {self.folder}; the same command goes on")

    def _watch(self, tick: Callable[[], None]) -> None:
        while not all(task.done() for task in self.tasks):
            tick()
            time.sleep(_POLL_SECONDS)
        tick()


def submit(calls: Sequence[Call], asked: ClusterSettings, *, name: str, folder: Path) -> Submitted:
    """Hand the calls over as one job, each a task of its own; logs and submitit's files go into the folder.

    On Slurm it returns at once. Raises ClusterError when there is no Slurm here, or it refuses the job.
    """
    return Submitted(_handed_over(calls, asked, _parameters(asked, name), name, folder), folder.absolute())


def submit_together(call: Together, asked: ClusterSettings, *, name: str, folder: Path, saves: bool) -> Submitted:
    """Hand over one call that `nodes * tasks_per_node` processes make together; otherwise as `submit`."""
    with _deaf_to_interrupts() if saves and asked.cluster == "local" else nullcontext():
        [job] = _handed_over([call], asked, _parameters(asked, name) | _together(asked), name, folder)
    tasks = [job.task(rank) for rank in range(job.num_tasks)]
    return Submitted(tasks, folder.absolute(), together=True, saves=saves)


def _handed_over(
    calls: Sequence[Call], asked: ClusterSettings, parameters: dict[str, Any], name: str, folder: Path
) -> list[Any]:
    if asked.cluster == "slurm" and shutil.which("sbatch") is None:
        raise ClusterError(
            "cluster=slurm: there is no sbatch here; submit from a login node, or run it here with cluster=local"
        )
    folder = folder.absolute()  # nodes are to find it whatever folder they start in
    check_names(folder, name)
    kind = submitit.SlurmExecutor if asked.cluster == "slurm" else submitit.LocalExecutor
    executor = kind(folder, max_num_timeout=_MAX_REQUEUES)
    try:
        executor.update_parameters(**parameters)
        with executor.batch():
            tasks = [executor.submit(call) for call in calls]
    except (FailedSubmissionError, FailedJobError, subprocess.CalledProcessError) as error:
        raise ClusterError(f"{name}: Slurm refused the job: {_said(error)}") from None
    return tasks


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started meanwhile does not hear Ctrl-C: submitit would kill its processes a second after it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def sbatch_file(num_calls: int, asked: ClusterSettings, *, name: str, folder: Path) -> str:
    """The file that is handed to sbatch for so many calls."""
    count = num_calls if num_calls > 1 else None
    return _file(_parameters(asked, name), name, folder, count)


def sbatch_file_together(asked: ClusterSettings, *, name: str, folder: Path) -> str:
    """The file that is handed to sbatch for a call that processes make together."""
    return _file(_parameters(asked, name) | _together(asked), name, folder, None)


def check_names(folder: Path, name: str) -> None:
    """ClusterError unless what comes to stand in a script is a name and nothing more.

    submitit quotes it for the shell; a line end in it would end a line of Slurm's, and Slurm reads a percent sign and a
    backslash in a folder as signs of its own.
    """
    for text in (str(folder), name):
        if found := hidden(text):
            raise ClusterError(f"{on_a_line(text)}: holds {found}, which no script may hold; use another name")
    if sign := re.search(r"[%\\]", str(folder)):
        raise ClusterError(f"{folder}: holds {sign[0]}, by which Slurm means something else; use another folder")


def _file(parameters: dict[str, Any], name: str, folder: Path, count: int | None) -> str:
    check_names(folder, name)
    command = shlex.join([sys.executable, "-u", "-m", "submitit.core._submit", str(folder)])
    return slurm._make_sbatch_string(command=command, folder=folder, map_count=count, **parameters)


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
        **({"setup": [f". {shlex.quote(str(_SITE))}"]} if _SITE.exists() else {}),
    }


def _together(asked: ClusterSettings) -> dict[str, Any]:
    """What a job whose processes work together asks for beyond the rest."""
    if asked.cluster == "local":
        return {"tasks_per_node": asked.tasks_per_node, "gpus_per_node": asked.gpus_per_node}
    plain = _parameters(asked, "")
    memory = asked.mem_gb and asked.mem_gb * asked.tasks_per_node
    return {
        "nodes": asked.nodes,
        "ntasks_per_node": asked.tasks_per_node,
        **({"gpus_per_node": asked.gpus_per_node} if asked.gpus_per_node else {}),
        **({"mem": f"{round(memory * 1024)}MB"} if memory else {}),
        "signal_delay_s": _SIGNAL_SECONDS,
        # A process that leaves first ends no other, whatever the site's default: rank 0 has something left to do, and
        # when a node is lost Slurm is to find that out, and put the job back, before srun gives it up.
        "srun_args": [*plain["srun_args"], "--kill-on-bad-exit=0", "--wait=0"],
        # The file runs on the first node. A site whose nodes meet by another name says so in its environment.sh.
        "setup": ["export MASTER_ADDR=$(hostname)", *plain.get("setup", [])],
    }


def _succeeded(task: Any) -> bool:
    return bool(task.paths.result_pickle.exists()) and task.exception() is None


def _last_words(task: Any) -> str:
    """The last error line of a task's log, or that there is none."""
    words = _words(task)
    return words[-1] if words else f"ended without a word of its own, see {task.paths.stderr.name}"


def _words(task: Any) -> list[str]:
    try:
        lines = task.paths.stderr.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]


def _said(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return " ".join(text.split()) or "no reason given"
