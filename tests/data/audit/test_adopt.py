"""Sets in WebDataset format of other programs: indexed, read by training, refused by name when something is wrong."""

import io
import json
import re
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.config.shards import IndexSettings
from cartoon_dist.data.audit.adopt import index_folder
from cartoon_dist.data.audit.repair import repair_folder
from cartoon_dist.data.audit.verify import verify_folder
from cartoon_dist.data.format.manifest import index_path, read_index, read_manifest
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.inputs.scenes import pick_test_scenes
from cartoon_dist.errors import ShardError
from cartoon_dist.image.png import encode_png
from tests.data.shard_folders import build_shards, file_hashes, link_samples

Files = dict[str, bytes]


def png(size: int = 32, *, grey: bool = False, seed: int = 0) -> bytes:
    shape = (size, size) if grey else (size, size, 3)
    return encode_png(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def jpg(size: int = 32) -> bytes:
    return cv2.imencode(".jpg", np.full((size, size, 3), 99, np.uint8))[1].tobytes()


def photo(key: str, record: Mapping[str, object] | None = None, *, seed: int = 0) -> Files:
    files = {f"{key}.photo.png": png(seed=seed), f"{key}.saliency.png": png(grey=True, seed=seed)}
    return files | ({f"{key}.json": json.dumps(record).encode()} if record is not None else {})


def write(path: Path, *samples: Files) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in ((name, data) for sample in samples for name, data in sample.items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def index(folder: Path, **settings: float) -> list[str]:
    """The problems, as lines."""
    result = index_folder(folder, IndexSettings(**settings), shown=False)  # type: ignore[arg-type]
    assert (result.manifest is None) == bool(result.problems)
    return [str(problem) for problem in result.problems]


def test_a_set_without_records_is_indexed_and_read(tmp_path: Path) -> None:
    out = tmp_path / "set"
    write(out / "b-1.tar", *(photo(f"deep/{number:02d}", seed=number) for number in range(7)))
    write(out / "a.tar", *(photo(f"x{number}", seed=number) for number in range(5)))
    assert index(out, test_fraction=0.25, seed=3) == []
    manifest = read_manifest(out)
    assert (manifest.domain, manifest.image_size, manifest.origin) == ("photo", 32, "elsewhere")
    assert [(shard.name, shard.num_samples) for shard in manifest.shards] == [("a.tar", 5), ("b-1.tar", 7)]
    keys = [f"x{number}" for number in range(5)] + [f"deep/{number:02d}" for number in range(7)]
    test = pick_test_scenes(keys, test_fraction=0.25, seed=3)
    assert len(test) == 3  # of 12 scenes, a key each
    samples = [sample for name in ("a.tar", "b-1.tar") for sample in read_index(out, name).samples]
    assert [sample.key for sample in samples] == keys
    assert {sample.key for sample in samples if sample.split == "test"} == test
    assert verify_folder(out, shown=False)[1] == []
    shards = Shards(folder=out, domain="photo", split="train")
    assert len(shards) == 9
    assert shards.damaged(share=slice(None)) == []
    for place, entry in enumerate(shards.entries()):
        sample, seed = shards.read(place), int(entry.key[-1])
        expected = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
        assert np.array_equal(sample.picture, expected)
        assert sample.companion.shape == (32, 32, 1)


def test_the_values_of_the_records_are_used(tmp_path: Path) -> None:
    records = [
        {"source": "a.jpg", "scene": "beach", "split": "test"},
        {"source": "b.jpg", "scene": "beach", "width": 9},
        {"source": "c.jpg", "split": "train"},
        {},
        None,
    ]
    write(tmp_path / "set/s.tar", *(photo(str(number), record) for number, record in enumerate(records)))
    assert index(tmp_path / "set", test_fraction=0.0) == []
    lines = [(sample.source, sample.scene, sample.split) for sample in read_index(tmp_path / "set", "s.tar").samples]
    assert lines == [
        ("a.jpg", "beach", "test"),
        ("b.jpg", "beach", "test"),  # a scene is in one split
        ("c.jpg", "c.jpg", "train"),
        ("3", "3", "train"),
        ("4", "4", "train"),
    ]
    assert verify_folder(tmp_path / "set", shown=False)[1] == []


def test_files_that_macos_adds_are_ignored(tmp_path: Path) -> None:
    extra = {"._a.photo.png": b"x", "__MACOSX/a.photo.png": b"x", ".DS_Store": b"x"}
    write(tmp_path / "set/s.tar", extra, photo("a"), photo("b"), extra)
    for name in ("._s.tar", "._t.tar.gz"):
        (tmp_path / "set" / name).write_bytes(b"x")
    assert index(tmp_path / "set") == []
    assert [sample.key for sample in read_index(tmp_path / "set", "s.tar").samples] == ["a", "b"]
    assert verify_folder(tmp_path / "set", shown=False)[1] == []


def test_our_own_tars_without_their_records_give_the_same_samples(tmp_path: Path) -> None:
    build_shards(link_samples(tmp_path / "in", 7), tmp_path / "out")
    before = [read_index(tmp_path / "out", shard.name).samples for shard in read_manifest(tmp_path / "out").shards]
    for path in (tmp_path / "out").glob("*.json"):
        path.unlink()
    assert index(tmp_path / "out") == []
    shards = read_manifest(tmp_path / "out").shards
    assert [read_index(tmp_path / "out", shard.name).samples for shard in shards] == before


def split_by_another(folder: Path) -> None:
    write(folder / "s.tar", photo("a"), photo("b"))
    one, *rest = photo("c").items()
    write(folder / "t.tar", dict([one]), photo("d"), dict(rest))


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "unknown member": (
        lambda f: write(f / "s.tar", photo("a") | {"a.cls": b"3"}),
        "'a' has a member cls; members are .*take it out: for tar in .*",
    ),
    "no key": (lambda f: write(f / "s.tar", {"noname": b"3"}), r"s.tar: holds 'noname', where each member is a file"),
    "hidden file": (lambda f: write(f / "s.tar", {"./.a.photo.png": b"3"}), "holds './.a.photo.png', where"),
    "no pair": (
        lambda f: write(f / "s.tar", photo("a"), {"b.photo.png": png()}),
        "s.tar: sample 'b' has no saliency.png",
    ),
    "no picture": (
        lambda f: write(f / "s.tar", photo("a"), {"b.json": b"{}"}),
        "'b' has no photo.png and no saliency.png",
    ),
    "two domains": (
        lambda f: write(f / "s.tar", photo("a"), {"b.cartoon.png": png(), "b.smoothed.png": png()}),
        "'b' has no photo.png and no saliency.png",
    ),
    "mixed sizes": (
        lambda f: write(f / "s.tar", photo("a"), {"b.photo.jpg": jpg(48), "b.saliency.png": png(grey=True)}),
        "'b' has a damaged photo.jpg: 48 x 48 pixels where the set has 32 x 32",
    ),
    "colour label": (
        lambda f: write(f / "s.tar", {"b.photo.jpg": jpg(), "b.saliency.png": png()}),
        "damaged saliency.png: a label is grey",
    ),
    "broken picture": (
        lambda f: write(f / "s.tar", photo("a"), {"b.photo.jpg": jpg()[:200], "b.saliency.png": png(grey=True)}),
        "'b' has a damaged photo.jpg: the JPEG file is cut off",
    ),
    "record no JSON": (lambda f: write(f / "s.tar", photo("a") | {"a.json": b"{"}), "'a' has a damaged json: not JSON"),
    "record of another kind": (lambda f: write(f / "s.tar", photo("a", {"split": "val"})), "its split is 'val', where"),
    "scene no name": (lambda f: write(f / "s.tar", photo("a", {"scene": 3})), "its scene is 3, where"),
    "same key apart": (split_by_another, "t.tar: sample 'c' comes again later"),
    "same key in two tars": (
        lambda f: (write(f / "s.tar", photo("a")), write(f / "t.tar", photo("a"))),
        "t.tar: sample 'a' is in s.tar as well",
    ),
    "empty tar": (lambda f: write(f / "s.tar"), "s.tar: holds no samples; remove it"),
    "cut tar": (
        lambda f: (p := write(f / "s.tar", photo("a"), photo("b"))).write_bytes(p.read_bytes()[:5000]),
        "s.tar: cannot be read as a tar",
    ),
    "no end": (
        lambda f: (p := write(f / "s.tar", photo("a"))).write_bytes(p.read_bytes().rstrip(b"\0") + bytes(100)),
        "s.tar: cannot be read as a tar",
    ),
    "damaged header in the middle": (
        lambda f: (p := write(f / "s.tar", photo("a"), photo("b"))).write_bytes(
            p.read_bytes().replace(b"b.photo.png", b"b.photo.pnG", 1)
        ),
        "s.tar: cannot be read as a tar .a damaged header near byte",
    ),
    "packed": (lambda f: (write(f / "s.tar", photo("a")), (f / "t.tar.gz").touch()), "t.tar.gz.*unpack"),
    "packed inside": (
        lambda f: (f / "s.tar").write_bytes(b"\x1f\x8b\x08" + bytes(99)),
        "s.tar: is packed by gzip, .*; unpack it: mv .*s.tar .*s.tar.gz && gunzip .*s.tar.gz",
    ),
    "of img2dataset": (
        lambda f: write(f / "00000.tar", *({f"{k}.jpg": jpg(), f"{k}.txt": b"a", f"{k}.json": b"{}"} for k in "ab")),
        "00000.tar: sample 'a' has a picture called jpg and no label, as sets of img2dataset have; unpack",
    ),
    "no tar": (lambda f: (f / "notes.txt").touch(), "no .tar files in it"),
    "no picture at all": (lambda f: write(f / "s.tar", {"a.json": b"{}"}), "none of its samples has a picture"),
    "scene in both": (
        lambda f: write(f / "s.tar", *(photo(s, {"scene": "x", "split": s}) for s in ("train", "test"))),
        "scene 'x' is in train and in test",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_each_problem_is_named_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    make, complaint = WRONG[kind]
    (tmp_path / "set").mkdir()
    make(tmp_path / "set")
    before = file_hashes(tmp_path / "set")
    try:
        lines = index(tmp_path / "set")
    except ShardError as error:
        lines = [str(error)]
    assert re.search(complaint, lines[0]), lines
    assert all("\n" not in line for line in lines)
    assert file_hashes(tmp_path / "set") == before


@pytest.fixture
def indexed(tmp_path: Path) -> Path:
    write(tmp_path / "set/s.tar", photo("a"), photo("b"))
    write(tmp_path / "set/t.tar", photo("c"))
    assert index(tmp_path / "set") == []
    return tmp_path / "set"


def test_indexing_again_writes_what_is_missing_and_accepts_no_damage(indexed: Path) -> None:
    before = file_hashes(indexed)
    assert index_folder(indexed, IndexSettings(), shown=False).num_written == 0
    index_path(indexed, "s.tar").unlink()
    (indexed / "manifest.json").write_text("{")
    assert index_folder(indexed, IndexSettings(), shown=False).num_written == 2
    assert file_hashes(indexed) == before
    with pytest.raises(ShardError, match=r"was indexed before, and differs .seed: 0 -> 5"):
        index(indexed, seed=5)
    write(indexed / "t.tar", photo("c", seed=1))
    with pytest.raises(ShardError, match=r"was indexed before, and differs .t.tar is not as it was"):
        index(indexed)
    assert "sha256 differs" in str(verify_folder(indexed, shown=False)[1][0])
    (indexed / "manifest.json").unlink()
    assert index(indexed) == []


def test_a_set_from_elsewhere_cannot_be_repaired(indexed: Path) -> None:
    for _ in range(2):  # with and without a manifest
        with pytest.raises(ShardError, match=r"no pictures to rebuild it from; bring whole tars .* --index"):
            repair_folder(indexed, shown=False)
        (indexed / "manifest.json").unlink(missing_ok=True)


def test_a_jobs_folder_is_not_indexed_and_an_indexed_one_is_not_built_into(tmp_path: Path, indexed: Path) -> None:
    inputs = link_samples(tmp_path / "in", 2)
    build_shards(inputs, tmp_path / "out")
    before = file_hashes(tmp_path / "out")
    with pytest.raises(ShardError, match=r"a shard job builds it; .*--mend"):
        index(tmp_path / "out")
    (tmp_path / "out/job.json").unlink()
    with pytest.raises(ShardError, match="has a manifest of a shard job"):
        index(tmp_path / "out")
    assert file_hashes(tmp_path / "out").items() <= before.items()
    with pytest.raises(ShardError, match="holds a set made otherwise"):
        build_shards(inputs, indexed)
    (tmp_path / "bare").mkdir()
    write(tmp_path / "bare/cartoon-000000.tar", photo("a"))
    with pytest.raises(ShardError, match=r"no job wrote its cartoon-000000.tar"):
        build_shards(inputs, tmp_path / "bare")
    assert [path.name for path in (tmp_path / "bare").iterdir()] == ["cartoon-000000.tar"]
