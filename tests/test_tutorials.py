"""docs/tutorials/: the blocks marked as typed work as they stand there, with small pictures and short trainings."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from tests.film.films import moving_shapes, write_film
from tests.running import LIMIT_SECONDS, ROOT, environment

TUTORIALS = ROOT / "docs/tutorials"
SAMPLES = ROOT / "shards/samples"


def typed_blocks(page: str, language: str = "") -> list[str]:
    """The blocks of a page that stand below the mark `typed`."""
    text = (TUTORIALS / page).read_text(encoding="utf-8")
    return re.findall(rf"<!-- typed -->\n```{language}\n(.*?)```", text, flags=re.DOTALL)


def type_commands(page: str, folder: Path, more: dict[str, list[str]] | None = None) -> dict[str, str]:
    """Run them in a folder, all must succeed; `more`: words after those of commands that begin so.

    Returns what each command said, standard error before standard output.
    """
    said = {}
    for line in (line for block in typed_blocks(page) for line in block.splitlines()):
        program, *words = shlex.split(line)
        assert program == "cartoon-dist"
        added = [word for begin, extra in (more or {}).items() if " ".join(words).startswith(begin) for word in extra]
        done = subprocess.run(
            [sys.executable, "-m", "cartoon_dist", *words, *added],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        said[line] = done.stderr + done.stdout
    return said


def small_samples(kind: str, folder: Path, *, num: int) -> list[Path]:
    """Some of the sample pictures, small, as JPEGs in a folder."""
    folder.mkdir(parents=True)
    for path in sorted((SAMPLES / kind).glob("*.jpg"))[:num]:
        with Image.open(path) as picture:
            picture.thumbnail((96, 96))
            picture.save(folder / path.name)
    return sorted(folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    return tmp_path


@pytest.mark.slow
def test_photos(folder: Path) -> None:
    photo, *_, last = small_samples("photos", folder / "holidays", num=4)
    photo.rename(folder / "photo.jpg")
    with Image.open(last) as picture:
        pillow_heif.from_pillow(picture).save(folder / "holidays/IMG_0001.HEIC", quality=80)
    last.unlink()
    (folder / "holidays/notes.txt").write_text("the sea\n")
    write_film(folder / "film.mp4", moving_shapes(24))
    said = type_commands("photos.md", folder)
    page = (TUTORIALS / "photos.md").read_text(encoding="utf-8")
    for line in ("photo.jpg", "holidays", "film.mp4"):
        last_line = said[f"cartoon-dist cartoonize {line}"].splitlines()[-1]
        assert f"\n{last_line}\n" in page
    assert (folder / "holidays-cartoons/IMG_0001.png").is_file()
    assert len(list((folder / "small").glob("*.jpg"))) == 3
    with Image.open(folder / "drawing.webp") as drawing, Image.open(folder / "photo.jpg") as original:
        assert (drawing.format, drawing.size) == ("WEBP", original.size)


def test_three_lines_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_samples("photos", tmp_path / "photos", num=1)[0].rename(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    [block] = typed_blocks("photos.md", "python")
    assert len([line for line in block.splitlines() if line]) == 3
    exec(compile(block, "photos.md", "exec"), {})
    with Image.open("from-python.jpg") as drawing, Image.open("photo.jpg") as photo:
        assert drawing.size == photo.size


@pytest.mark.slow
def test_film(folder: Path) -> None:
    photos = small_samples("photos", folder / "photos", num=16)
    shutil.copy(photos[0], folder / "holiday.jpg")
    scenes = []
    for path in small_samples("cartoons", folder / "drawings", num=10):
        with Image.open(path) as scene:
            scenes += [np.asarray(scene.convert("RGB").resize((96, 64)))] * 13
    write_film(folder / "FILM.mkv", scenes, sound=False, subtitles=False)
    short = ["image_size=32", "max_steps=2", "warmup.steps=1", "batch_size=4", "score_at_end=false", "sample_every=2"]
    said = type_commands("film.md", folder, {"shards": ["image_size=32"], "train demo": short})
    assert (folder / "shards/cartoons/contact-sheet.png").is_file()
    assert {"report.html", "scores.json", "step-0000002"} <= {path.name for path in (folder / "runs/first").iterdir()}
    assert "frechet_efficientnet_lite0" in said["cartoon-dist fid runs/first"]
    assert "frames of FILM" in (folder / "mystyle.safetensors.md").read_text(encoding="utf-8")
    with Image.open(folder / "mine.jpg") as drawing, Image.open(folder / "holiday.jpg") as photo:
        assert drawing.size == photo.size


@pytest.mark.slow
def test_cluster(folder: Path) -> None:
    small_samples("photos", folder / "photos", num=16)
    small_samples("photos", folder / "few", num=6)
    small_samples("cartoons", folder / "cartoons", num=22)
    said = "\n".join(type_commands("cluster.md", folder).values())
    page = (TUTORIALS / "cluster.md").read_text(encoding="utf-8")
    answers = re.findall(r"<!-- typed -->\n```\n.*?```\n((?:\n```\n.*?```\n)+)", page, flags=re.DOTALL)
    lines = [line for answer in answers for line in answer.splitlines() if line and line != "```"]
    assert len(lines) > 12
    for line in lines:
        for part in line.split("..."):  # what the page leaves out
            assert part in said, line
