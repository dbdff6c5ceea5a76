"""Rebuilds the damaged parts of a shard folder, and nothing else, from the pictures it was built from."""

from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.console.command_names import command_name
from cartoon_dist.console.escape import shell_quoted
from cartoon_dist.data.audit.mismatched_records import find_mismatched_records
from cartoon_dist.data.audit.verify import Problem, verify_folder, verify_shard_by_index
from cartoon_dist.data.build.job import RESTORE_HINT, Job, job_settings, read_job, require_pictures
from cartoon_dist.data.build.pipeline import build_missing, lock_shards, translate_os_errors
from cartoon_dist.data.format.manifest import JOB, MANIFEST, index_path, read_manifest, write_record
from cartoon_dist.errors import ShardError


def repair_folder(folder: Path, *, shown: bool) -> int:
    """Rebuild the damaged shards, and the records about them, to the same bytes; returns how many shards.

    Raises ShardError when the folder does not say which pictures the shards were built from, or these are missing or
    changed, or another job is writing there.
    """
    if not folder.is_dir():
        read_manifest(folder)  # raises the right error
    job = _require_job(folder)
    with translate_os_errors(folder), lock_shards(folder):
        mismatched = find_mismatched_records(folder)
        if mismatched.job:
            what = f"{JOB} and {MANIFEST} are" if mismatched.manifest else f"{JOB} is"
            raise ShardError(f"{folder}: its {what} of another set than its shards; {mismatched.remedy()}")
        broken = {problem.file for problem in _find_problems(folder, job, shown=shown)}
        shard_numbers = [
            shard_number
            for shard_number in range(job.num_shards)
            if job.tar_name(shard_number) in broken or not index_path(folder, job.tar_name(shard_number)).exists()
        ]
        require_pictures(job, shard_numbers)
        for shard_number in shard_numbers:
            index_path(folder, job.tar_name(shard_number)).unlink(missing_ok=True)
        write_record(folder / JOB, job)
        # Pictures that were skipped then may be skipped again, however many.
        return build_missing(job, folder, job_settings(job, folder, max_broken=1.0), shown=shown).num_new


def _require_job(folder: Path) -> Job:
    if (folder / JOB).exists():
        return read_job(folder)
    try:
        origin = read_manifest(folder).origin if (folder / MANIFEST).exists() else "elsewhere"
    except ShardError:
        origin = "elsewhere"
    if origin == "job":
        raise ShardError(f"{folder}: has lost its {JOB}; {RESTORE_HINT}")
    raise ShardError(
        f"{folder}: no job built it here, so there are no pictures to rebuild it from; bring whole tars from where it "
        f"was built, then make its records with {command_name('shards verify')} {shell_quoted(folder)} --index"
    )


def _find_problems(folder: Path, job: Job, *, shown: bool) -> Sequence[Problem]:
    try:
        return verify_folder(folder, shown=shown)[1]
    except ShardError:  # no readable manifest: each shard is checked by its own index
        return [
            problem
            for shard_number in range(job.num_shards)
            for problem in verify_shard_by_index(folder, job, shard_number)
        ]
