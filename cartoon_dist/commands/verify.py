"""Every byte of a shard folder against its manifest: what shards/verify.py calls."""

from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.commands.command_lines.verify import parser
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.config.command_line import SETTING
from cartoon_dist.config.reading import read
from cartoon_dist.config.shards import IndexSettings
from cartoon_dist.console.command_names import command_name
from cartoon_dist.console.escape import shell_quoted
from cartoon_dist.console.messages import pluralize, print_message, print_result
from cartoon_dist.data.audit.adopt import IndexResult, index_folder
from cartoon_dist.data.audit.mismatched_records import OF_ANOTHER_SET, MismatchedRecords
from cartoon_dist.data.audit.repair import repair_folder
from cartoon_dist.data.audit.verify import Problem, group_by_cause, verify_folder
from cartoon_dist.data.format.manifest import JOB, MANIFEST, Manifest
from cartoon_dist.data.format.tar_index import compression_of
from cartoon_dist.errors import ConfigError, ShardError
from cartoon_dist.files.folder_kinds import require_shard_folder


def main(words: Sequence[str]) -> int:
    """Verify a shard folder, after mending or indexing it if asked to; all findings go to standard error, then one
    error."""
    chosen = parser().parse_args([word for word in words if not SETTING.match(word)])
    settings_words = [word for word in words if SETTING.match(word)]
    folder = Path(chosen.folder)
    _require_folder(folder)
    if chosen.index:
        return _index(folder, read(IndexSettings, [], settings_words))
    if settings_words:
        raise ConfigError(f"{settings_words[0]}: only --index takes settings; leave it out")
    num_mended = repair_folder(folder, shown=True) if chosen.mend else 0
    manifest, findings = verify_folder(folder, shown=True)
    if findings:
        raise ShardError(_told(folder, findings, _way_out(folder, manifest, findings, mended=chosen.mend)))
    print_result(_summary(folder, manifest) + (f"; {num_mended} rebuilt" if chosen.mend else ""))
    return EXIT_DONE


def _index(folder: Path, settings: IndexSettings) -> int:
    indexed = index_folder(folder, settings, shown=True)
    if indexed.manifest is None:
        raise ShardError(_told(folder, indexed.problems, "nothing was written; mend the tars where they were built"))
    print_result(_indexed(folder, indexed.manifest, indexed))
    return EXIT_DONE


def _indexed(folder: Path, manifest: Manifest, indexed: IndexResult) -> str:
    num_train, num_test = (sum(getattr(s, f"num_{split}") for s in manifest.shards) for split in ("train", "test"))
    made = f"{folder}: {_held(manifest)} ({num_train} train, {num_test} test)"
    return f"{made}, indexed" if indexed.num_written else f"{made}; nothing left to do"


def _require_folder(path: Path) -> None:
    """ShardError where a tar is given in place of the folder that holds it, or another one of our own folders."""
    if path.is_file():
        packer = compression_of(path)
        unpack = f"unpack it with '{packer.unpack_command(path)}', then " if packer else ""
        kind = f"a file packed by {packer.name}" if packer else "a file"
        raise ShardError(
            f"{path}: is {kind}, not a folder; {unpack}give the folder that holds it: {shell_quoted(path.parent)}"
        )
    require_shard_folder(path)


def _told(folder: Path, findings: Sequence[Problem], way_out: str) -> str:
    """Print the findings, a line a cause, and return the one line that sums them up."""
    for line in group_by_cause(findings):
        print_message(line)
    files = pluralize(len({finding.file for finding in findings}), "file")
    return f"{folder}: {pluralize(len(findings), 'finding')} in {files}, the first: {findings[0]}; {way_out}"


def _way_out(folder: Path, manifest: Manifest, findings: Sequence[Problem], *, mended: bool) -> str:
    others = {finding.file for finding in findings if finding.description == OF_ANOTHER_SET}
    if JOB in others:
        no_job = manifest.origin == "elsewhere"
        return MismatchedRecords(job=True, manifest=MANIFEST in others, no_job=no_job).remedy()
    if mended:
        return "mending did not help, build the shards into a new folder"
    if manifest.origin == "elsewhere":
        again = f"make its records again with {command_name('shards verify')} {shell_quoted(folder)} --index"
        return f"{again}; where that refuses, bring its tars again from where they were built"
    return f"mend it with {command_name('shards verify')} {shell_quoted(folder)} --mend"


def _summary(folder: Path, manifest: Manifest) -> str:
    num_bytes = sum(shard.bytes for shard in manifest.shards)
    return f"{folder}: {_held(manifest)}, {num_bytes} bytes, all as written"


def _held(manifest: Manifest) -> str:
    num_samples = sum(shard.num_samples for shard in manifest.shards)
    return f"{pluralize(num_samples, manifest.domain)} in {pluralize(len(manifest.shards), 'shard')}"
