"""`launch/submit.py train|fid`: training and scores as one job of processes that work together."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cartoon_dist.cluster.jobs import JOBS_FOLDER, DistributedTask, sbatch_file_distributed, submit_distributed
from cartoon_dist.commands import fid, train
from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED, status_of
from cartoon_dist.config.cluster import ClusterSettings
from cartoon_dist.config.run_config import read_settings
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.command_names import command_name
from cartoon_dist.console.escape import shell_quoted
from cartoon_dist.console.messages import pluralize, print_message, print_result
from cartoon_dist.console.signals import ignore_signals
from cartoon_dist.errors import CheckpointError, ClusterError, ConfigError
from cartoon_dist.metrics.run_scores import run_of
from cartoon_dist.runs import checkpoint, initial_weights
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.dry_run import describe_run
from cartoon_dist.train.input import check_batch_divides


def train_request(configs: Sequence[str], cluster: ClusterSettings, settings_words: Sequence[str]) -> "TrainRequest":
    """A run to be trained; ConfigError or CheckpointError now for what would fail on the nodes."""
    words = (*configs, *settings_words)
    settings = read_settings(words)
    check_batch_divides(settings, _num_processes(cluster))
    run = RunFolder(Path(settings.run_dir))
    run.check_same(settings)
    if settings.init_from is not None and not checkpoint.steps(run):
        initial_weights.locate(Path(settings.init_from))
    return TrainRequest(train.main, words, run, cluster, "train", settings)


def score_request(
    run: str, cluster: ClusterSettings, settings_words: Sequence[str], *, untrained: bool
) -> "DistributedRequest":
    """A run to be scored; CheckpointError when there is none."""
    _num_processes(cluster)
    folder = run_of(Path(run))
    if not folder.config.exists():
        raise CheckpointError(f"{run}: is no run and no checkpoint of one; give the folder of a run")
    return DistributedRequest(
        score, (run, *settings_words, *(["--untrained"] if untrained else [])), folder, cluster, "fid"
    )


def score(words: Sequence[str]) -> int:
    """Score in a job. There is nothing to save: when Slurm wants the node it puts the job back by itself, and when time
    is up the job ends, as it would take as long again."""
    ignore_signals("SIGUSR2")
    return fid.main(words)


def _num_processes(cluster: ClusterSettings) -> int:
    if cluster.cluster == "local" and cluster.nodes > 1:
        raise ConfigError("nodes: cluster=local is one node; set gpus_per_node or, on its CPUs, processes_per_node")
    if cluster.gpus_per_node and cluster.processes_per_node != 1:
        raise ConfigError("processes_per_node: is for CPUs; with gpus_per_node there is one process a GPU")
    return cluster.nodes * cluster.tasks_per_node


@dataclass(frozen=True)
class DistributedRequest:
    """A command that all processes of a job run together, on a run folder."""

    command: Callable[[Sequence[str]], int]
    words: tuple[str, ...]
    run: RunFolder
    cluster: ClusterSettings
    what: str

    @property
    def folder(self) -> Path:
        """Where logs and submitit's files lie."""
        return self.run.root / JOBS_FOLDER

    @property
    def name(self) -> str:
        """What Slurm calls the job."""
        return f"{self.what}-{self.run.root.name}"

    def dry_run(self) -> int:
        """Say what would be done."""
        print(
            f"job: {self._size()}, each with {command_name(self.what)} {shlex.join(self.words)}; logs in {self.folder}"
        )
        if self.cluster.cluster == "slurm":
            print(sbatch_file_distributed(self.cluster, name=self.name, folder=self.folder.absolute()))
        return EXIT_DONE

    def submit(self) -> int:
        """Hand the job over; on this machine wait for it, and show what rank 0 says."""
        call = DistributedTask(partial(status_of, self.command), self.words)
        job = submit_distributed(call, self.cluster, name=self.name, folder=self.folder, saves=self.what == "train")
        if self.cluster.cluster == "slurm":
            print_message(
                f"follow it with: squeue -j {job.name}; tail -f {shell_quoted(self.folder)}/{job.name}_0_log.err",
            )
            print_result(f"{self.run.root}: job {job.name}, {self._size()}")
            return EXIT_DONE
        try:
            job.wait(_shown(job.tasks[0].paths.stderr))
        except ClusterError:
            if self._has_stopped():
                return self.report_stop()
            raise
        print_result(self._made())
        return EXIT_DONE

    def report_stop(self) -> int:
        """What a stop leaves."""
        print_message(f"{self.run.root}: stopped; the same command starts it again")
        return EXIT_STOPPED

    def _size(self) -> str:
        num, nodes = _num_processes(self.cluster), self.cluster.nodes
        return f"{num} process{'es' if num > 1 else ''} on {pluralize(nodes, 'node')}"

    def _made(self) -> str:
        return f"{self.run.scores}: scored"

    def _has_stopped(self) -> bool:
        return False


@dataclass(frozen=True)
class TrainRequest(DistributedRequest):
    """A run to be trained."""

    settings: TrainSettings

    def dry_run(self) -> int:
        """Say what would be done: what training itself says, and the job."""
        print(describe_run(self.settings, world_size=_num_processes(self.cluster), zero_stage=self.settings.zero_stage))
        return super().dry_run()

    def report_stop(self) -> int:
        """What a stop leaves."""
        print_message(f"{self.run.root}: stopped after saving; the same command goes on")
        return EXIT_STOPPED

    def _made(self) -> str:
        newest, _ = checkpoint.newest(self.run)
        return f"{newest}: trained"

    def _has_stopped(self) -> bool:
        """Whether the processes have left because they were asked to, by the reason that rank 0 wrote down."""
        return self.run.exit_status() == EXIT_STOPPED


def _shown(log: Path) -> Callable[[], None]:
    """Copies what is new in a log to standard error, each time it is called."""
    num_shown = 0

    def tick() -> None:
        nonlocal num_shown
        if log.exists():
            with log.open("rb") as file:
                file.seek(num_shown)
                new = file.read()
            num_shown += len(new)
            sys.stderr.write(new.decode(errors="replace"))
            sys.stderr.flush()

    return tick
