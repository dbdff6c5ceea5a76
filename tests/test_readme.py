"""The commands of README.md and docs/commands.md, typed as they stand there."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.film.films import write_film
from tests.running import LIMIT_SECONDS, ROOT, environment, script


def commands(page: str, mark: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    [block] = re.findall(rf"<!-- {mark} -->\n```\n(.*?)```", text, flags=re.DOTALL)
    return block.splitlines()


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    assert [line for line in lines if len(line) > 125] == []
    extras = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    )
    for command in re.findall(r"^pip install '\.\[(.*)\]'$", "\n".join(lines), flags=re.MULTILINE):
        assert set(command.split(",")) <= extras


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what README's commands name: a photo, a folder of photos, a film of some scenes, weights."""
    folder = tmp_path_factory.mktemp("laptop")
    (folder / "weights").symlink_to(ROOT / "weights")
    (folder / "holidays").mkdir()
    for path in sorted((ROOT / "shards/samples/photos").glob("*.jpg")):
        with Image.open(path) as photo:
            photo.thumbnail((128, 128))
            photo.save(folder / "holidays" / path.name)
    (folder / "photo.jpg").write_bytes(next((folder / "holidays").iterdir()).read_bytes())
    scenes = []
    for path in sorted((ROOT / "shards/samples/cartoons").glob("*.jpg")):
        with Image.open(path) as scene:
            scenes += [np.asarray(scene.convert("RGB").resize((128, 72)))] * 13
    write_film(folder / "film.mp4", scenes, sound=False, subtitles=False)
    return folder


@pytest.mark.slow
def test_readme_does_what_it_says_in_its_order(laptop: Path) -> None:
    for mark in ("draw", "train", "score", "cluster"):
        for command in commands("README.md", mark):
            program, *words = command.split()
            if program == "sbatch":  # tests/slurm does so on a real Slurm
                assert (laptop / words[0]).is_file()
                continue
            assert program == "cartoon-dist", command
            # The whole training takes minutes; two steps of it go the same way.
            fewer = ["max_steps=2", "warmup.steps=1", "data.num_workers=0"] if words[0] == "train" else []
            done = script("cartoon_dist/__main__.py", *words, *fewer, cwd=laptop)
            assert done.returncode == 0, f"{command}\n{done.stderr}"
    made = {"photo-cartoon.jpg", "holidays-cartoons", "film-cartoon.mp4", "mine.safetensors", "drawing.png", "jobs"}
    assert made <= {path.name for path in laptop.iterdir()}
    assert (laptop / "runs/mine/report.html").exists()
    assert len(list((laptop / "holidays-cartoons").iterdir())) == len(list((laptop / "holidays").iterdir()))


@pytest.mark.slow
def test_the_readme_draws_from_python(laptop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(laptop)
    exec(block, {})
    with Image.open("drawing.png") as drawing, Image.open("photo.jpg") as photo:
        assert drawing.size == photo.size


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    for name in ("launch", "shards", "configs", "weights"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.mark.slow
def test_every_command_does_what_it_says(clone: Path) -> None:
    here = environment() | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said = {}
    for command in commands("docs/commands.md", "commands"):
        first, *words = command.split()
        if first == "python":
            done = script(*words, cwd=clone)
        else:
            done = subprocess.run(
                [first, *words], cwd=clone, env=here, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
            )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        said[command] = done
    two, one = (said[command].stderr for command in said if "demo.yaml" in command)
    assert "2 processes" in two
    assert "1 process " in one
    for run in ("first", "alone"):
        left = {path.name for path in (clone / "runs" / run).iterdir()}
        assert {"metrics.jsonl", "samples", "step-0000020", "config.yaml", "tensorboard"} <= left
        assert (clone / "runs" / run / "samples/step-0000020.png").stat().st_size > 1000
    paper = " ".join(list(said.values())[-1].stdout.split())
    assert "generator 11,129,667" in paper


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_tests_named_in_the_table_of_promises_exist() -> None:
    table = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+/test_\w+\.py)`", table)
    assert named
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []
