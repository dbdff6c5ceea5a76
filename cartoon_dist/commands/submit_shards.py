"""`launch/submit.py shards`: shards as a job of many tasks, each with its slice of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cartoon_dist.cluster.jobs import JOBS_FOLDER, CommandTask, check_script_names, sbatch_file, submit
from cartoon_dist.commands import shards
from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED, status_of
from cartoon_dist.config.cluster import ClusterSettings
from cartoon_dist.config.reading import read
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.console.escape import shell_quoted
from cartoon_dist.console.messages import pluralize, print_message, print_result
from cartoon_dist.console.progress import Progress
from cartoon_dist.cpu.cores import num_usable_cores
from cartoon_dist.data.build import build_report
from cartoon_dist.data.build.finalize import finalize
from cartoon_dist.data.build.job import Job, plan_job, write_or_check_job
from cartoon_dist.data.build.partition import Slice
from cartoon_dist.data.build.pipeline import lock_shards, translate_os_errors
from cartoon_dist.data.format.manifest import index_path, read_manifest
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.data.inputs.search import IgnoredFiles


def shard_request(
    domain: Domain, inputs: Sequence[str], out: str, cluster: ClusterSettings, words: Sequence[str]
) -> "ShardRequest":
    """What the command line asks for; `words` are settings of the shards."""
    settings = read(ShardSettings, [], words)
    check_script_names(Path(out).absolute() / JOBS_FOLDER, domain)  # before anything is written
    ignored = IgnoredFiles()
    job = plan_job(inputs, domain=domain, settings=settings, folder=Path(out), ignored=ignored, shown=True)
    for line in build_report.settings_without_effect(job, settings, words):
        print_message(f"warning: {line}")
    return ShardRequest(job, out, settings, cluster, ignored)


@dataclass(frozen=True)
class ShardRequest:
    """A shard job to be built by several machines."""

    job: Job
    out: str
    settings: ShardSettings
    cluster: ClusterSettings
    ignored: IgnoredFiles

    @property
    def folder(self) -> Path:
        """OUT, wherever a task starts."""
        return Path(self.out).absolute()

    @property
    def name(self) -> str:
        """What Slurm calls the job."""
        return f"{self.job.domain}-shards"

    def calls(self) -> list[CommandTask]:
        """A call for each task that has shards to build."""
        of = min(self.cluster.nodes, self.job.num_shards)
        how = (f"num_workers={self._num_workers(of)}", f"max_broken={self.settings.max_broken}")
        command = partial(status_of, shards.build_slice)
        return [CommandTask(command, (str(self.folder), str(Slice(k, of)), *how)) for k in range(1, of + 1)]

    def dry_run(self) -> int:
        """Say what would be done."""
        calls = self.calls()
        print(*build_report.plan_lines(self.job, self.out, self.settings, self.ignored), sep="\n")
        print(f"tasks: {len(calls)}, each with {calls[0].arguments[2]}; logs in {self.out}/{JOBS_FOLDER}")
        if self.cluster.cluster == "slurm":
            print(sbatch_file(len(calls), self.cluster, name=self.name, folder=self.folder / JOBS_FOLDER))
        return EXIT_DONE

    def report_stop(self) -> int:
        """What a stop leaves."""
        print_message(f"{self.out}: stopped; finished shards are kept, the same command goes on")
        return EXIT_STOPPED

    def submit(self) -> int:
        """Begin the folder, so that tasks need not search the inputs, and hand the tasks over."""
        for line in build_report.ignored_lines(self.ignored):
            print_message(line)
        not_taken = build_report.ignored_suffix(self.ignored)
        with translate_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_or_check_job(self.job, self.folder)
            with lock_shards(self.folder):  # not while an earlier job's tasks still run
                whole, num_remaining = finalize(self.job, self.folder, max_broken=self.settings.max_broken)
        if whole is not None:
            print_result(f"{self.out}: {build_report.describe_counts(whole.manifest)}{not_taken}; nothing left to do")
            return EXIT_DONE
        job = submit(self.calls(), self.cluster, name=self.name, folder=self.folder / JOBS_FOLDER)
        if self.cluster.cluster == "slurm":
            print_message(
                f"follow it with: squeue -j {job.name}; "
                f"tail -f {shell_quoted(self.out)}/{JOBS_FOLDER}/{job.name}_*.err",
            )
            tasks, left = pluralize(len(job.tasks), "task"), pluralize(num_remaining, "shard")
            print_result(f"{self.out}: job {job.name}, {tasks} for {left}{not_taken}")
            return EXIT_DONE
        with Progress(total=self.job.num_shards, unit="shards", label=self.out) as progress:
            job.wait(self._counter(progress))
        manifest = read_manifest(self.folder)  # the last task has written it
        print_result(f"{self.out}: {build_report.describe_counts(manifest)}{not_taken}")
        return EXIT_DONE

    def _counter(self, progress: Progress) -> Callable[[], None]:
        """Looks how many shards are complete; one that was seen is not looked for again."""
        waiting = [index_path(self.folder, self.job.tar_name(number)) for number in range(self.job.num_shards)]

        def tick() -> None:
            waiting[:] = [path for path in waiting if not path.exists()]
            progress.update(self.job.num_shards - len(waiting))

        return tick

    def _num_workers(self, num_tasks: int) -> int:
        if self.settings.num_workers is not None:
            return self.settings.num_workers
        if self.cluster.cluster == "slurm":
            return self.cluster.cpus
        return max(1, num_usable_cores() // num_tasks)
