"""`launch/submit.py`: a command as a job of many tasks, on Slurm or on this machine."""

import argparse
import dataclasses
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cartoon_dist import config, nested
from cartoon_dist.cluster import Call, ClusterSettings, sbatch_file, submit
from cartoon_dist.commands import shards
from cartoon_dist.commands.entry import DONE, STOPPED, status_of
from cartoon_dist.config import ShardSettings
from cartoon_dist.data.build import claimed, writing
from cartoon_dist.data.job import Job, plan_job, settle
from cartoon_dist.data.manifest import index_path, read_manifest
from cartoon_dist.data.seal import seal
from cartoon_dist.data.slices import Slice
from cartoon_dist.progress import Progress

JOBS = "jobs"
"""The folder in a shard folder where logs and submitit's files lie."""
_CLUSTER_KEYS = frozenset(field.name for field in dataclasses.fields(ClusterSettings))


def main(words: Sequence[str]) -> int:
    """Submit what the command line says; the exit status."""
    parser = _parser()
    chosen = parser.parse_args([word for word in words if not shards.SETTING.match(word)])
    given = [word for word in words if shards.SETTING.match(word)]
    cluster = config.read(ClusterSettings, [], [word for word in given if _key(word) in _CLUSTER_KEYS])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    order = _order(chosen, cluster, [word for word in given if _key(word) not in _CLUSTER_KEYS])
    try:
        return order.dry_run() if chosen.dry_run else order.place()
    except KeyboardInterrupt:
        print(f"{chosen.out}: stopped; finished shards are kept, the same command goes on", file=sys.stderr)
        return STOPPED


def _parser() -> argparse.ArgumentParser:
    cluster = ", ".join(f"{k}={v}" for k, v in nested.flatten(nested.plain(ClusterSettings())).items())
    parser = argparse.ArgumentParser(
        prog="launch/submit.py",
        usage="%(prog)s shards photos|cartoons PICTURES... OUT nodes=N [key=value ...] [--dry-run]",
        description="Build shards as a job of N tasks, each with its slice of them; the last to finish seals the "
        "folder. Run it again to go on where it stopped.",
        epilog=f"settings of the job and their defaults: {cluster}; all others are those of shards/photos.py. On Slurm "
        "the command returns at once; with cluster=local it waits.",
    )
    parser.add_argument("what", choices=["shards"])
    parser.add_argument("domain", choices=["photos", "cartoons"])
    parser.add_argument("inputs", nargs="+", metavar="PICTURES", help="as shards/photos.py takes them")
    parser.add_argument("out", metavar="OUT", help="the folder to write to, which all nodes see under this path")
    parser.add_argument("--dry-run", action="store_true", help="print counts and the sbatch file, write nothing")
    return parser


def _key(word: str) -> str:
    return word.partition("=")[0]


def _order(chosen: argparse.Namespace, cluster: ClusterSettings, given: Sequence[str]) -> "ShardOrder":
    settings = config.read(ShardSettings, [], given)
    domain = chosen.domain.removesuffix("s")
    job = plan_job(chosen.inputs, domain=domain, settings=settings, folder=Path(chosen.out), shown=True)
    shards.warn_without_effect(job, settings, given)
    return ShardOrder(job, chosen.out, settings, cluster)


@dataclass(frozen=True)
class ShardOrder:
    """A shard job to be built by several machines."""

    job: Job
    out: str
    settings: ShardSettings
    cluster: ClusterSettings

    @property
    def folder(self) -> Path:
        """OUT, wherever a task starts."""
        return Path(self.out).absolute()

    @property
    def name(self) -> str:
        """What Slurm calls the job."""
        return f"{self.job.domain}-shards"

    def calls(self) -> list[Call]:
        """A call for each task that has shards to build."""
        of = min(self.cluster.nodes, self.job.num_shards)
        how = (f"num_workers={self._num_workers(of)}", f"max_broken={self.settings.max_broken}")
        command = partial(status_of, shards.build_slice)
        return [Call(command, (str(self.folder), str(Slice(k, of)), *how)) for k in range(1, of + 1)]

    def dry_run(self) -> int:
        """Say what would be done."""
        calls = self.calls()
        shards.print_plan(self.job, self.out, self.settings)
        print(f"tasks: {len(calls)}, each with {calls[0].words[2]}; logs in {self.out}/{JOBS}")
        if self.cluster.cluster == "slurm":
            print(sbatch_file(len(calls), self.cluster, name=self.name, folder=self.folder / JOBS))
        return DONE

    def place(self) -> int:
        """Begin the folder, so that tasks need not search the inputs, and hand the tasks over."""
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            settle(self.job, self.folder)
            with claimed(self.folder):  # not while an earlier job's tasks still run
                whole, num_open = seal(self.job, self.folder, max_broken=self.settings.max_broken)
        if whole is not None:
            print(f"{self.out}: {shards.counts(whole.manifest)}; nothing left to do")
            return DONE
        job = submit(self.calls(), self.cluster, name=self.name, folder=self.folder / JOBS)
        if self.cluster.cluster == "slurm":
            print(f"follow it with: squeue -j {job.name}; tail -f {self.out}/{JOBS}/{job.name}_*.err", file=sys.stderr)
            tasks, left = shards.count(len(job.tasks), "task"), shards.count(num_open, "shard")
            print(f"{self.out}: job {job.name}, {tasks} for {left}")
            return DONE
        with Progress(total=self.job.num_shards, unit="shards", label=self.out) as progress:
            job.wait(self._counter(progress))
        print(f"{self.out}: {shards.counts(read_manifest(self.folder))}")  # the last task has sealed it
        return DONE

    def _counter(self, progress: Progress) -> Callable[[], None]:
        """Looks how many shards are complete; one that was seen is not looked for again."""
        waiting = [index_path(self.folder, self.job.name(number)) for number in range(self.job.num_shards)]

        def tick() -> None:
            waiting[:] = [path for path in waiting if not path.exists()]
            progress.update(self.job.num_shards - len(waiting))

        return tick

    def _num_workers(self, num_tasks: int) -> int:
        if self.settings.num_workers is not None:
            return self.settings.num_workers
        if self.cluster.cluster == "slurm":
            return self.cluster.cpus
        return max(1, len(os.sched_getaffinity(0)) // num_tasks)
