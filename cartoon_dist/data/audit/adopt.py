"""A set in WebDataset format that another program built: read through, judged, and given indices and a manifest.

Nothing is written before every tar was found whole, and the tars themselves are never touched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cartoon_dist.config import overrides
from cartoon_dist.config.shards import IndexSettings
from cartoon_dist.console.escape import typed
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.audit.integrity import Wanted, read_json_object, sample_problem
from cartoon_dist.data.audit.verify import Finding
from cartoon_dist.data.build.job import first_few
from cartoon_dist.data.build.pipeline import BUSY, writing
from cartoon_dist.data.format.manifest import (
    JOB,
    MANIFEST,
    Manifest,
    SampleEntry,
    ShardEntry,
    ShardIndex,
    entry_of,
    index_path,
    read_manifest,
    settings_sha256,
    write_record,
)
from cartoon_dist.data.format.sample import LABEL_MEMBER, RECORD_MEMBER, Domain
from cartoon_dist.data.format.tar_index import Group, packed_by, read_groups
from cartoon_dist.data.inputs.scenes import pick_test_scenes
from cartoon_dist.errors import PictureError, ShardError
from cartoon_dist.files.atomic import MAX_SHARD_BYTES, alone, open_regular, sha256_of
from cartoon_dist.files.system_files import is_system_file
from cartoon_dist.image.header import SUFFIXES, read_header

PICTURES: dict[str, Domain] = {
    "photo.png": "photo",
    "photo.jpg": "photo",
    "cartoon.png": "cartoon",
    "cartoon.jpg": "cartoon",
}
_PACKED = ("*.tar.*", "*.tgz", "*.tbz2", "*.txz", "*.tzst")
_LOOSE = frozenset(suffix[1:] for suffix in SUFFIXES)
"""Members that are called so are pictures of a set for other purposes, as img2dataset writes it."""
_SPLITS = (None, "train", "test")


@dataclass(frozen=True)
class Indexed:
    """A set's manifest, and how many of its records had to be written; or what is wrong with the set."""

    manifest: Manifest | None
    num_written: int
    findings: Sequence[Finding]


@dataclass(frozen=True)
class _Tar:
    """A tar as it lies there: its samples, with what their KEY.json say."""

    path: Path
    groups: Sequence[Group]
    records: Sequence[dict[str, Any]]


def index_folder(folder: Path, settings: IndexSettings, *, shown: bool) -> Indexed:
    """Write the indices and the manifest of a folder of tars, or tell what is wrong with them and write nothing.

    A sample's scene is what its KEY.json says, else its source, else its key; scenes whose split no KEY.json tells are
    split as a shard job splits them. Raises ShardError when the folder is a job's, holds no such tars, or holds a
    manifest that tells of other bytes: it may be the tars that are damaged.
    """
    before = _manifest_before(folder)
    with writing(folder), alone(folder, ShardError(f"{folder}: {BUSY}")):
        findings = list[Finding]()
        tars = [tar for path in _tars(folder) if (tar := _read(path, findings))]
        findings += _repeated(tars)
        if findings:
            return Indexed(None, 0, findings)
        domain, size = _kind(tars)
        plain: dict[str, object] = {"image_size": size, **overrides.plain(settings)}
        indices = [
            ShardIndex(tar.path.name, "", 0, settings_sha256(domain, plain), samples)
            for tar, samples in zip(tars, _entries(tars, settings), strict=True)
        ]
        findings += _judge(folder, indices, Wanted(domain=domain, image_size=size, whole_record=False), shown=shown)
        if findings:
            return Indexed(None, 0, findings)
        indices = [_hashed(folder, index) for index in indices]
        shards = tuple(entry_of(index) for index in indices)
        manifest = Manifest(domain, size, plain, settings_sha256(domain, plain), shards, (), "elsewhere")
        if before is not None and before != manifest:
            raise ShardError(_changed(folder, before, manifest))
        num_written = sum(write_record(index_path(folder, index.shard), index) for index in indices)
        return Indexed(manifest, num_written + write_record(folder / MANIFEST, manifest), ())


def _manifest_before(folder: Path) -> Manifest | None:
    """The manifest of an earlier indexing; None when there is none, or it is damaged."""
    if not folder.is_dir():
        raise ShardError(f"{folder}: no such folder; give one that holds the tars")
    if (folder / JOB).exists():
        raise ShardError(
            f"{folder}: a shard job builds it; rebuild its records with shards/verify.py {typed(folder)} --mend"
        )
    try:
        before = read_manifest(folder)
    except ShardError:
        return None
    if before.origin == "job":
        raise ShardError(
            f"{folder}: has a manifest of a shard job; hold it against that with shards/verify.py {typed(folder)}"
        )
    return before


def _tars(folder: Path) -> list[Path]:
    packed = sorted(path for kind in _PACKED for path in folder.glob(kind) if not is_system_file(path.name))
    if packed:
        packer = packed_by(packed[0])
        how = f"'{packer.unpack(packed[0])}'" if packer else "what packed it"
        names = first_few([path.name for path in packed])
        raise ShardError(f"{folder}: holds {names}, read by offset and so not packed; unpack with {how}")
    tars = sorted(path for path in folder.glob("*.tar") if not is_system_file(path.name))
    if not tars:
        raise ShardError(f"{folder}: no .tar files in it; give the folder that holds the set")
    return tars


def _read(path: Path, findings: list[Finding]) -> _Tar | None:
    try:
        groups = read_groups(path)
        if not groups:
            raise ShardError("holds no samples; remove it")
    except ShardError as error:
        findings.append(Finding(path.name, None, str(error)))
        return None
    if not any(PICTURES.keys() & group.members.keys() for group in groups):
        loose = next((group for group in groups if _LOOSE & {name.lower() for name in group.members}), None)
        if loose is not None:
            findings.append(Finding(path.name, loose.key, _loose(path, loose)))
            return None
    records = []
    for group in groups:
        strange = sorted(group.members.keys() - PICTURES.keys() - set(LABEL_MEMBER.values()) - {RECORD_MEMBER})
        if strange:
            known = "photo.png|jpg, saliency.png, cartoon.png|jpg, smoothed.png, json"
            without = _each_tar(path, f"tar --delete --wildcards -f \"$tar\" '*.{strange[0]}'")
            problem = f"has a member {strange[0]}; members are called {known}; take it out: {without}"
            findings.append(Finding(path.name, group.key, problem))
        try:
            records.append(_record(path, group))
        except ValueError as error:
            findings.append(Finding(path.name, group.key, f"has a damaged {RECORD_MEMBER}: {error}"))
    return _Tar(path, groups, records)


def _loose(path: Path, group: Group) -> str:
    name = next(name for name in group.members if name.lower() in _LOOSE)
    unpack = _each_tar(path, 'tar -xf "$tar" -C pictures')
    return (
        f"has a picture called {name} and no label, as sets of img2dataset have; unpack them, and build shards of the "
        f"pictures: mkdir pictures; {unpack}; python shards/photos.py pictures OUT (shards/cartoons.py for cartoons)"
    )


def _each_tar(path: Path, command: str) -> str:
    return f"for tar in {typed(path.parent)}/*.tar; do {command}; done"


def _record(path: Path, group: Group) -> dict[str, Any]:
    """What KEY.json says, empty without one; ValueError when it is not of our kind."""
    span = group.members.get(RECORD_MEMBER)
    record = read_json_object(_bytes(path, span)) if span else {}
    for name in ("source", "scene"):
        if name in record and (not isinstance(record[name], str) or not record[name]):
            raise ValueError(f"its {name} is {record[name]!r}, where it is a name")
    if record.get("split") not in _SPLITS:
        raise ValueError(f"its split is {record['split']!r}, where it is train or test")
    return record


def _repeated(tars: Sequence[_Tar]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for tar in tars:
        for group in tar.groups:
            if group.key in seen and seen[group.key] != tar.path.name:
                first = seen[group.key]
                yield Finding(tar.path.name, group.key, f"is in {first} as well; keys are unique in the whole set")
            elif group.key in seen:
                yield Finding(tar.path.name, group.key, "comes again later; its members must lie together, once")
            seen[group.key] = tar.path.name


def _kind(tars: Sequence[_Tar]) -> tuple[Domain, int]:
    """Domain and side of the first picture; all others are held against them."""
    for tar in tars:
        for group in tar.groups:
            for name, span in group.members.items():
                if name in PICTURES:
                    try:
                        header = read_header(_bytes(tar.path, span))
                    except PictureError:
                        continue
                    return PICTURES[name], header.height
    raise ShardError(
        f"{tars[0].path}: none of its samples has a picture; members are called KEY.photo.png and the like"
    )


def _entries(tars: Sequence[_Tar], settings: IndexSettings) -> Iterator[tuple[SampleEntry, ...]]:
    sources = [[str(r.get("source", g.key)) for g, r in zip(t.groups, t.records, strict=True)] for t in tars]
    scenes = [
        [str(r.get("scene", s)) for s, r in zip(named, t.records, strict=True)]
        for named, t in zip(sources, tars, strict=True)
    ]
    told: dict[str, Any] = {}
    for tar, of in zip(tars, scenes, strict=True):
        for scene, record in zip(of, tar.records, strict=True):
            split = record.get("split")
            if split and told.setdefault(scene, split) != split:
                raise ShardError(f"{tar.path}: scene '{scene}' is in train and in test; a scene belongs to one of them")
    untold = {scene for of in scenes for scene in of} - told.keys()
    test = pick_test_scenes(untold, test_fraction=settings.test_fraction, seed=settings.seed)
    for tar, named, of in zip(tars, sources, scenes, strict=True):
        yield tuple(
            SampleEntry(group.key, source, scene, told.get(scene, "test" if scene in test else "train"), group.members)
            for group, source, scene in zip(tar.groups, named, of, strict=True)
        )


def _judge(folder: Path, indices: Sequence[ShardIndex], wanted: Wanted, *, shown: bool) -> Iterator[Finding]:
    """Decode every member of every sample."""
    total = sum(len(index.samples) for index in indices)
    done = 0
    with Progress(total=total, unit="samples", label=f"index {folder}", shown=shown) as progress:
        for index in indices:
            for sample in index.samples:
                problem = sample_problem(folder / index.shard, sample, wanted)
                if problem:
                    yield Finding(index.shard, sample.key, problem)
                done += 1
                progress.update(done)


def _hashed(folder: Path, index: ShardIndex) -> ShardIndex:
    path = folder / index.shard
    return replace(index, sha256=sha256_of(path), bytes=path.stat().st_size)


def _changed(folder: Path, before: Manifest, now: Manifest) -> str:
    changes = overrides.differences(before.settings, now.settings, frozenset())
    known: dict[str, ShardEntry] = {shard.name: shard for shard in before.shards}
    changes += [f"{shard.name} is not as it was" for shard in now.shards if known.get(shard.name) != shard]
    changes += [f"{name} is gone" for name in sorted(known.keys() - {shard.name for shard in now.shards})]
    return (
        f"{folder}: was indexed before, and differs ({first_few(changes)}); bring the old tars and settings back, "
        f"or delete {MANIFEST} to index what is there now"
    )


def _bytes(path: Path, span: tuple[int, int]) -> bytes:
    offset, length = span
    with open_regular(path, max_bytes=MAX_SHARD_BYTES) as file:
        file.seek(offset)
        return file.read(length)
