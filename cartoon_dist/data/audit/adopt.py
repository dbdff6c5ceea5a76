"""Adopts a set in WebDataset format that another program built: checks all of it, then writes indices and a manifest.

Nothing is written unless every tar is sound, and the tars themselves are never changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cartoon_dist.config import overrides
from cartoon_dist.config.shards import IndexSettings
from cartoon_dist.console.command_names import command_line, command_name
from cartoon_dist.console.escape import shell_quoted
from cartoon_dist.console.messages import first_few
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.audit.integrity import SampleSpec, check_sample, read_json_object
from cartoon_dist.data.audit.verify import Problem
from cartoon_dist.data.build.pipeline import BUSY_MESSAGE, translate_os_errors
from cartoon_dist.data.format.manifest import (
    JOB,
    MANIFEST,
    Manifest,
    SampleEntry,
    ShardEntry,
    ShardIndex,
    index_path,
    read_manifest,
    settings_sha256,
    shard_entry,
    write_record,
)
from cartoon_dist.data.format.sample import LABEL_MEMBER, RECORD_MEMBER, Domain
from cartoon_dist.data.format.tar_index import TarSample, compression_of, read_tar_samples
from cartoon_dist.data.inputs.scenes import pick_test_scenes
from cartoon_dist.errors import PictureError, ShardError
from cartoon_dist.files.bounded import MAX_SHARD_BYTES, open_regular, sha256_of
from cartoon_dist.files.locks import lock_folder
from cartoon_dist.files.system_files import is_system_file
from cartoon_dist.image.file_kinds import IMAGE_SUFFIXES
from cartoon_dist.image.header import read_header

PICTURE_MEMBERS: dict[str, Domain] = {
    "photo.png": "photo",
    "photo.jpg": "photo",
    "cartoon.png": "cartoon",
    "cartoon.jpg": "cartoon",
}
_COMPRESSED_TARS = ("*.tar.*", "*.tgz", "*.tbz2", "*.txz", "*.tzst")
_PLAIN_PICTURES = frozenset(suffix[1:] for suffix in IMAGE_SUFFIXES)
"""Members with these names are plain pictures, as in the sets of img2dataset."""
_SPLITS = (None, "train", "test")


@dataclass(frozen=True)
class IndexResult:
    """A set's manifest, and how many of its records were new or changed; or the problems of the set."""

    manifest: Manifest | None
    num_written: int
    problems: Sequence[Problem]


@dataclass(frozen=True)
class _Tar:
    """A tar of the set: its samples and their KEY.json."""

    path: Path
    samples: Sequence[TarSample]
    records: Sequence[dict[str, Any]]


def index_folder(folder: Path, settings: IndexSettings, *, shown: bool) -> IndexResult:
    """Write the indices and the manifest of a folder of tars, or return their problems and write nothing.

    A sample's scene is the one in its KEY.json, else its source, else its key; scenes whose split is in no KEY.json are
    split as a shard job splits them. Raises ShardError when the folder is a job's, holds no such tars, or has a
    manifest of other bytes: then the tars may be damaged.
    """
    before = _earlier_manifest(folder)
    with translate_os_errors(folder), lock_folder(folder, ShardError(f"{folder}: {BUSY_MESSAGE}")):
        problems = list[Problem]()
        tars = [tar for path in _find_tars(folder) if (tar := _read_tar(path, problems))]
        problems += _find_repeated_keys(tars)
        if problems:
            return IndexResult(None, 0, problems)
        domain, size = _domain_and_size(tars)
        plain: dict[str, object] = {"image_size": size, **overrides.to_dict(settings)}
        indices = [
            ShardIndex(tar.path.name, "", 0, settings_sha256(domain, plain), samples)
            for tar, samples in zip(tars, _sample_entries(tars, settings), strict=True)
        ]
        problems += _check_samples(
            folder, indices, SampleSpec(domain=domain, image_size=size, require_record=False), shown=shown
        )
        if problems:
            return IndexResult(None, 0, problems)
        indices = [_with_hash(folder, index) for index in indices]
        shards = tuple(shard_entry(index) for index in indices)
        manifest = Manifest(domain, size, plain, settings_sha256(domain, plain), shards, (), "elsewhere")
        if before is not None and before != manifest:
            raise ShardError(_explain_change(folder, before, manifest))
        num_written = sum(write_record(index_path(folder, index.shard), index) for index in indices)
        return IndexResult(manifest, num_written + write_record(folder / MANIFEST, manifest), ())


def _earlier_manifest(folder: Path) -> Manifest | None:
    """The manifest that an earlier call wrote; None when there is none, or it is damaged."""
    if not folder.is_dir():
        raise ShardError(f"{folder}: no such folder; give one that holds the tars")
    if (folder / JOB).exists():
        raise ShardError(
            f"{folder}: a shard job builds it; rebuild its records with {command_name('shards verify')} "
            f"{shell_quoted(folder)} --mend"
        )
    try:
        before = read_manifest(folder)
    except ShardError:
        return None
    if before.origin == "job":
        verify = f"{command_name('shards verify')} {shell_quoted(folder)}"
        raise ShardError(f"{folder}: has a manifest of a shard job; compare it with that by {verify}")
    return before


def _find_tars(folder: Path) -> list[Path]:
    packed = sorted(path for kind in _COMPRESSED_TARS for path in folder.glob(kind) if not is_system_file(path.name))
    if packed:
        compression = compression_of(packed[0])
        how = f"'{compression.unpack_command(packed[0])}'" if compression else "what packed it"
        names = first_few([path.name for path in packed])
        raise ShardError(f"{folder}: holds {names}, read by offset and so not packed; unpack with {how}")
    tars = sorted(path for path in folder.glob("*.tar") if not is_system_file(path.name))
    if not tars:
        raise ShardError(f"{folder}: no .tar files in it; give the folder that holds the set")
    return tars


def _read_tar(path: Path, problems: list[Problem]) -> _Tar | None:
    try:
        samples = read_tar_samples(path)
        if not samples:
            raise ShardError("holds no samples; remove it")
    except ShardError as error:
        problems.append(Problem(path.name, None, str(error)))
        return None
    if not any(PICTURE_MEMBERS.keys() & sample.members.keys() for sample in samples):
        plain = next((s for s in samples if _PLAIN_PICTURES & {name.lower() for name in s.members}), None)
        if plain is not None:
            problems.append(Problem(path.name, plain.key, _explain_img2dataset(path, plain)))
            return None
    records = []
    for sample in samples:
        unknown = sorted(sample.members.keys() - PICTURE_MEMBERS.keys() - set(LABEL_MEMBER.values()) - {RECORD_MEMBER})
        if unknown:
            known = "photo.png|jpg, saliency.png, cartoon.png|jpg, smoothed.png, json"
            remedy = _shell_loop(path, f"tar --delete --wildcards -f \"$tar\" '*.{unknown[0]}'")
            problem = f"has a member {unknown[0]}; members are called {known}; take it out: {remedy}"
            problems.append(Problem(path.name, sample.key, problem))
        try:
            records.append(_read_record(path, sample))
        except ValueError as error:
            problems.append(Problem(path.name, sample.key, f"has a damaged {RECORD_MEMBER}: {error}"))
    return _Tar(path, samples, records)


def _explain_img2dataset(path: Path, sample: TarSample) -> str:
    name = next(name for name in sample.members if name.lower() in _PLAIN_PICTURES)
    unpack = _shell_loop(path, 'tar -xf "$tar" -C pictures')
    return (
        f"has a picture called {name} and no label, as sets of img2dataset have; unpack them, and build shards of the "
        f"pictures: mkdir pictures; {unpack}; {command_line('shards photos', 'pictures OUT')} (shards cartoons for "
        "cartoons)"
    )


def _shell_loop(path: Path, command: str) -> str:
    return f"for tar in {shell_quoted(path.parent)}/*.tar; do {command}; done"


def _read_record(path: Path, sample: TarSample) -> dict[str, Any]:
    """The content of KEY.json, empty without one; ValueError when its values are not of our kind."""
    span = sample.members.get(RECORD_MEMBER)
    record = read_json_object(_read_span(path, span)) if span else {}
    for name in ("source", "scene"):
        if name in record and (not isinstance(record[name], str) or not record[name]):
            raise ValueError(f"its {name} is {record[name]!r}, where it is a name")
    if record.get("split") not in _SPLITS:
        raise ValueError(f"its split is {record['split']!r}, where it is train or test")
    return record


def _find_repeated_keys(tars: Sequence[_Tar]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for tar in tars:
        for sample in tar.samples:
            if sample.key in seen and seen[sample.key] != tar.path.name:
                first = seen[sample.key]
                yield Problem(tar.path.name, sample.key, f"is in {first} as well; keys are unique in the whole set")
            elif sample.key in seen:
                yield Problem(tar.path.name, sample.key, "comes again later; its members must lie together, once")
            seen[sample.key] = tar.path.name


def _domain_and_size(tars: Sequence[_Tar]) -> tuple[Domain, int]:
    """Domain and side of the first picture; all others must have the same."""
    for tar in tars:
        for sample in tar.samples:
            for name, span in sample.members.items():
                if name in PICTURE_MEMBERS:
                    try:
                        header = read_header(_read_span(tar.path, span))
                    except PictureError:
                        continue
                    return PICTURE_MEMBERS[name], header.height
    raise ShardError(
        f"{tars[0].path}: none of its samples has a picture; members are called KEY.photo.png and the like"
    )


def _sample_entries(tars: Sequence[_Tar], settings: IndexSettings) -> Iterator[tuple[SampleEntry, ...]]:
    sources = [[str(r.get("source", s.key)) for s, r in zip(t.samples, t.records, strict=True)] for t in tars]
    scenes = [
        [str(record.get("scene", source)) for source, record in zip(tar_sources, tar.records, strict=True)]
        for tar_sources, tar in zip(sources, tars, strict=True)
    ]
    splits: dict[str, Any] = {}
    for tar, tar_scenes in zip(tars, scenes, strict=True):
        for scene, record in zip(tar_scenes, tar.records, strict=True):
            split = record.get("split")
            if split and splits.setdefault(scene, split) != split:
                raise ShardError(f"{tar.path}: scene '{scene}' is in train and in test; a scene belongs to one of them")
    undecided = {scene for tar_scenes in scenes for scene in tar_scenes} - splits.keys()
    test = pick_test_scenes(undecided, test_fraction=settings.test_fraction, seed=settings.seed)
    splits |= {scene: "test" if scene in test else "train" for scene in undecided}
    for tar, tar_sources, tar_scenes in zip(tars, sources, scenes, strict=True):
        yield tuple(
            SampleEntry(sample.key, source, scene, splits[scene], sample.members)
            for sample, source, scene in zip(tar.samples, tar_sources, tar_scenes, strict=True)
        )


def _check_samples(folder: Path, indices: Sequence[ShardIndex], spec: SampleSpec, *, shown: bool) -> Iterator[Problem]:
    """Decode every member of every sample."""
    total = sum(len(index.samples) for index in indices)
    done = 0
    with Progress(total=total, unit="samples", label=f"index {folder}", shown=shown) as progress:
        for index in indices:
            for sample in index.samples:
                problem = check_sample(folder / index.shard, sample, spec)
                if problem:
                    yield Problem(index.shard, sample.key, problem)
                done += 1
                progress.update(done)


def _with_hash(folder: Path, index: ShardIndex) -> ShardIndex:
    path = folder / index.shard
    return replace(index, sha256=sha256_of(path), bytes=path.stat().st_size)


def _explain_change(folder: Path, before: Manifest, now: Manifest) -> str:
    changes = overrides.differences(before.settings, now.settings, frozenset())
    known: dict[str, ShardEntry] = {shard.name: shard for shard in before.shards}
    changes += [f"{shard.name} is not as it was" for shard in now.shards if known.get(shard.name) != shard]
    changes += [f"{name} is gone" for name in sorted(known.keys() - {shard.name for shard in now.shards})]
    return (
        f"{folder}: was indexed before, and differs ({first_few(changes)}); bring the old tars and settings back, "
        f"or delete {MANIFEST} to index what is there now"
    )


def _read_span(path: Path, span: tuple[int, int]) -> bytes:
    offset, length = span
    with open_regular(path, max_bytes=MAX_SHARD_BYTES) as file:
        file.seek(offset)
        return file.read(length)
