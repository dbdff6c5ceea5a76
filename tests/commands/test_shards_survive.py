"""What may happen to a shard job on a cluster: killed at any moment, a full disk, a second job on the same folder."""

import os
import random
import re
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.forked import Running
from tests.running import LIMIT_SECONDS, ROOT, script, started, wait_for, with_little_room

pytestmark = pytest.mark.slow

PHOTOS = ROOT / "shards/samples/photos"
SETTINGS = ["image_size=64", "num_workers=1", "samples_per_shard=3"]
NUM_SHARDS = 8


def begin(inputs: Path, out: Path) -> Running:
    return started(ROOT / "shards/photos.py", inputs, out, *SETTINGS)


def held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def finished(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of what is complete: indices and the tars they mark."""
    paths = [path for index in out.glob("*.index.json") for path in (index, out / f"{index.name[:-11]}.tar")]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed")
    done = script("shards/photos.py", PHOTOS, out, *SETTINGS)
    assert done.returncode == 0, done.stderr
    assert len(held(out)) == 2 * NUM_SHARDS + 4  # job, manifest, contact sheet, lock
    return held(out)


def test_killed_at_random_moments_it_ends_as_if_nothing_had_happened(
    undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mine = {"notes.txt": b"left alone", "photo-x.tar": b"of somebody else", "more/photo-000000.tar": b"and this"}
    for name, content in mine.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    chance, before = random.Random(5), dict[str, tuple[int, int]]()
    for number in sorted(chance.sample(range(NUM_SHARDS - 3), 4)):
        moment = chance.choice([".tar.part", ".tar", ".index.json"])
        with begin(PHOTOS, out) as build:
            wait_for(out / f"photo-{number:06d}{moment}", build)
            build.kill()
        now = finished(out)
        assert before.items() <= now.items()
        before = now
    assert 0 < len(before) < 2 * NUM_SHARDS
    assert script("shards/photos.py", PHOTOS, out, *SETTINGS).returncode == 0
    assert before.items() <= finished(out).items()
    assert held(out) == undisturbed | mine


def test_a_second_job_is_refused_and_the_first_one_ends_well(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with begin(PHOTOS, out) as build:
        wait_for(out / "photo-000000.tar.part", build)
        os.kill(build.pid, signal.SIGSTOP)  # it is still there, and holds the folder, however long the others take
        try:
            for second in (
                script("shards/photos.py", PHOTOS, out, *SETTINGS),
                script("shards/verify.py", out, "--mend"),
            ):
                assert (second.returncode, second.stdout) == (2, "")
                assert second.stderr == f"error: {out}: another job is writing there; wait for it or stop it\n"
        finally:
            os.kill(build.pid, signal.SIGCONT)
        assert build.wait(timeout=LIMIT_SECONDS) == 0
    assert held(out) == undisturbed


def test_a_full_disk_leaves_whole_shards_and_one_line(tmp_path: Path) -> None:
    inputs, out = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    for number in range(9):  # the last three, a shard of their own, are noise: it takes more room than plain grey
        picture = np.full((64, 64, 3), 10 * number, np.uint8)
        if number >= 6:
            picture = np.random.default_rng(number).integers(0, 256, picture.shape, np.uint8)
        cv2.imwrite(str(inputs / f"{number}.png"), picture)
    failed = with_little_room("shards/cartoons.py", inputs, out, *SETTINGS, kibibytes=32)
    assert (failed.returncode, failed.stdout) == (2, ""), failed.stderr
    assert "Traceback" not in failed.stderr
    [error] = [line for line in failed.stderr.splitlines() if line.startswith("error:")]
    assert f"{out}: the job cannot go on there (File too large)" in error
    names = {path.name for path in out.iterdir()}
    shards = {f"cartoon-00000{number}{kind}" for number in range(2) for kind in (".tar", ".index.json")}
    assert names == shards | {"job.json", ".lock"}
    before = finished(out)
    made = script("shards/cartoons.py", inputs, out, *SETTINGS)
    assert made.returncode == 0, made.stderr
    assert re.search(r"^rate: 3 prepared in ", made.stderr, re.MULTILINE)
    assert before.items() <= finished(out).items()
    assert script("shards/verify.py", out).returncode == 0
