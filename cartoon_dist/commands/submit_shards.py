"""`launch/submit.py shards`: shards as a job of many tasks, each with its slice of them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cartoon_dist.cluster.jobs import JOBS, Call, check_names, sbatch_file, submit
from cartoon_dist.commands import shards
from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED, status_of
from cartoon_dist.config.cluster import ClusterSettings
from cartoon_dist.config.reading import read
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.console.escape import typed
from cartoon_dist.console.messages import count, result, say
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.build.finalize import seal
from cartoon_dist.data.build.job import Job, plan_job, settle
from cartoon_dist.data.build.partition import Slice
from cartoon_dist.data.build.pipeline import claimed, writing
from cartoon_dist.data.format.manifest import index_path, read_manifest
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.data.inputs.search import LeftOut


def order(
    domain: Domain, inputs: Sequence[str], out: str, cluster: ClusterSettings, given: Sequence[str]
) -> "ShardOrder":
    """What the command line asks for; `given` are settings of the shards."""
    settings = read(ShardSettings, [], given)
    check_names(Path(out).absolute() / JOBS, domain)  # before anything is written
    left = LeftOut()
    job = plan_job(inputs, domain=domain, settings=settings, folder=Path(out), left=left, shown=True)
    shards.warn_without_effect(job, settings, given)
    return ShardOrder(job, out, settings, cluster, left)


@dataclass(frozen=True)
class ShardOrder:
    """A shard job to be built by several machines."""

    job: Job
    out: str
    settings: ShardSettings
    cluster: ClusterSettings
    left: LeftOut

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
        shards.print_plan(self.job, self.out, self.settings, self.left)
        print(f"tasks: {len(calls)}, each with {calls[0].words[2]}; logs in {self.out}/{JOBS}")
        if self.cluster.cluster == "slurm":
            print(sbatch_file(len(calls), self.cluster, name=self.name, folder=self.folder / JOBS))
        return EXIT_DONE

    def stopped(self) -> int:
        """What a stop leaves."""
        say(f"{self.out}: stopped; finished shards are kept, the same command goes on")
        return EXIT_STOPPED

    def place(self) -> int:
        """Begin the folder, so that tasks need not search the inputs, and hand the tasks over."""
        shards.tell_left_out(self.left)
        beside = shards.beside(self.left)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            settle(self.job, self.folder)
            with claimed(self.folder):  # not while an earlier job's tasks still run
                whole, num_open = seal(self.job, self.folder, max_broken=self.settings.max_broken)
        if whole is not None:
            result(f"{self.out}: {shards.counts(whole.manifest)}{beside}; nothing left to do")
            return EXIT_DONE
        job = submit(self.calls(), self.cluster, name=self.name, folder=self.folder / JOBS)
        if self.cluster.cluster == "slurm":
            say(
                f"follow it with: squeue -j {job.name}; tail -f {typed(self.out)}/{JOBS}/{job.name}_*.err",
            )
            tasks, left = count(len(job.tasks), "task"), count(num_open, "shard")
            result(f"{self.out}: job {job.name}, {tasks} for {left}{beside}")
            return EXIT_DONE
        with Progress(total=self.job.num_shards, unit="shards", label=self.out) as progress:
            job.wait(self._counter(progress))
        result(f"{self.out}: {shards.counts(read_manifest(self.folder))}{beside}")  # the last task has sealed it
        return EXIT_DONE

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
