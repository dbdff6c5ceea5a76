"""Every byte of a shard folder against its manifest: what shards/verify.py calls."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.commands.entry import DONE
from cartoon_dist.commands.shards import count
from cartoon_dist.data.manifest import Manifest
from cartoon_dist.data.verify import Finding, mend, verify
from cartoon_dist.errors import ShardError


def main(words: Sequence[str]) -> int:
    """Verify a shard folder, after mending it if asked to; all findings go to standard error, then one error."""
    chosen = _parser().parse_args(words)
    folder = Path(chosen.folder)
    num_mended = mend(folder, shown=True) if chosen.mend else 0
    manifest, findings = verify(folder, shown=True)
    if findings:
        for finding in findings:
            print(finding, file=sys.stderr)
        raise ShardError(_verdict(folder, findings, mended=chosen.mend))
    print(_summary(folder, manifest) + (f"; {num_mended} rebuilt" if chosen.mend else ""))
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shards/verify.py",
        description="Read every byte of a shard folder against its manifest and name what is wrong.",
    )
    parser.add_argument("folder", metavar="OUT", help="a folder made by shards/photos.py or shards/cartoons.py")
    parser.add_argument("--mend", action="store_true", help="rebuild the shards that are wrong from their pictures")
    return parser


def _verdict(folder: Path, findings: Sequence[Finding], *, mended: bool) -> str:
    num_shards = len({finding.shard for finding in findings if finding.shard})
    what = f"{folder}: {count(len(findings), 'finding')} in {count(num_shards, 'shard')}, the first: {findings[0]}"
    if mended:
        return f"{what}; mending did not help, build the shards into a new folder"
    return f"{what}; mend it with shards/verify.py {folder} --mend"


def _summary(folder: Path, manifest: Manifest) -> str:
    num_samples = sum(shard.num_samples for shard in manifest.shards)
    num_bytes = sum(shard.bytes for shard in manifest.shards)
    held = f"{count(num_samples, manifest.domain)} in {count(len(manifest.shards), 'shard')}"
    return f"{folder}: {held}, {num_bytes} bytes, all as written"
