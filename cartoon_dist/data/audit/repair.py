"""Rebuilds what is wrong with a shard folder, and nothing else, from the pictures it was made of."""

from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.console.escape import typed
from cartoon_dist.data.audit.foreign_records import strangers
from cartoon_dist.data.audit.verify import Finding, verify, verify_shard_alone
from cartoon_dist.data.build.job import RESTORE, Job, read_job, require_pictures, settings_of
from cartoon_dist.data.build.pipeline import build_missing, claimed, writing
from cartoon_dist.data.format.manifest import JOB, MANIFEST, index_path, read_manifest, write_record
from cartoon_dist.errors import ShardError


def mend(folder: Path, *, shown: bool) -> int:
    """Rebuild the shards that are wrong, and the records about them, to the same bytes; tell how many shards.

    Raises ShardError when the folder does not say which pictures they were made of, or those are gone or changed, or
    another job is writing there.
    """
    if not folder.is_dir():
        read_manifest(folder)  # says what is wrong
    job = _require_job(folder)
    with writing(folder), claimed(folder):
        others = strangers(folder)
        if others.job:
            what = f"{JOB} and {MANIFEST} are" if others.manifest else f"{JOB} is"
            raise ShardError(f"{folder}: its {what} of another set than its shards; {others.way_out()}")
        broken = {finding.file for finding in _findings(folder, job, shown=shown)}
        numbers = [
            number
            for number in range(job.num_shards)
            if job.name(number) in broken or not index_path(folder, job.name(number)).exists()
        ]
        require_pictures(job, numbers)
        for number in numbers:
            index_path(folder, job.name(number)).unlink(missing_ok=True)
        write_record(folder / JOB, job)
        # Pictures that were left out then may be left out again, whatever their share.
        return build_missing(job, folder, settings_of(job, folder, max_broken=1.0), shown=shown).num_new


def _require_job(folder: Path) -> Job:
    if (folder / JOB).exists():
        return read_job(folder)
    try:
        origin = read_manifest(folder).origin if (folder / MANIFEST).exists() else "elsewhere"
    except ShardError:
        origin = "elsewhere"
    if origin == "job":
        raise ShardError(f"{folder}: has lost its {JOB}; {RESTORE}")
    raise ShardError(
        f"{folder}: no job built it here, so there are no pictures to rebuild it from; bring whole tars from where it "
        f"was built, then make its records with shards/verify.py {typed(folder)} --index"
    )


def _findings(folder: Path, job: Job, *, shown: bool) -> Sequence[Finding]:
    try:
        return verify(folder, shown=shown)[1]
    except ShardError:  # no manifest, or none that can be read: the shards are judged by their own indices
        return [finding for number in range(job.num_shards) for finding in verify_shard_alone(folder, job, number)]
