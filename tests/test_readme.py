"""README's commands, typed as they stand there, in a folder that holds what a clone holds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import LIMIT_SECONDS, ROOT, environment, script


def commands() -> list[str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"<!-- commands -->\n```\n(.*?)```", readme, flags=re.DOTALL)
    return block.splitlines()


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
    for command in commands():
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
        *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
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
