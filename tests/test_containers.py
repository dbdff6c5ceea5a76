"""The definitions of containers, which no test can build, and the wheelhouse's script: what of them can be checked."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.running import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEFINITIONS = ["Dockerfile", "apptainer.def"]
BUILT_OF = {"pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "cartoon_dist", "configs", "slurm"}
BUILT_OF |= {"shards/samples"}
"""What a wheel is built of."""


@pytest.mark.parametrize("name", DEFINITIONS)
def test_it_installs_what_pyproject_says(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    ranges = set(re.findall(r'"(torch(?:vision)?>=[^"]+)"', text))
    assert ranges == {
        line for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["train"]] if "torch" in line
    }
    [extras] = re.findall(r"^(?:ARG|\s+)\s*EXTRAS=(\S+)$", text, flags=re.MULTILINE)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert "cartoon-dist" in PROJECT["scripts"]
    assert (
        len(re.findall(r"^ENTRYPOINT \[\"cartoon-dist\"\]$|^    exec cartoon-dist \"\$@\"$", text, re.MULTILINE)) == 1
    )


def test_both_are_given_what_the_package_is_built_of() -> None:
    text = (ROOT / "apptainer.def").read_text(encoding="utf-8")
    [files] = re.findall(r"^%files\n((?:    .+\n)+)", text, flags=re.MULTILINE)
    pairs = [line.split() for line in files.splitlines()]
    assert {source for source, _ in pairs} == BUILT_OF
    assert all(target == f"/source/{source}" for source, target in pairs)
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:].removesuffix("/**") for line in sent if line.startswith("!")} == BUILT_OF
    assert [name for name in sorted(BUILT_OF) if not (ROOT / name).exists()] == []


def test_every_argument_is_declared_where_it_is_used() -> None:
    text = (ROOT / "apptainer.def").read_text(encoding="utf-8")
    [arguments] = re.findall(r"^%arguments\n((?:    .+\n)+)", text, flags=re.MULTILINE)
    declared = {line.strip().split("=")[0] for line in arguments.splitlines()}
    assert set(re.findall(r"{{ (\w+) }}", text)) == declared
    stages = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")
    for stage in stages[1:]:
        known = set(re.findall(r"^ARG (\w+)=", stage, flags=re.MULTILINE))
        body = "\n".join(stage.split("\n")[1:])
        assert set(re.findall(r"\${(\w+)}", body)) - {"PATH"} <= known


def test_the_image_is_not_roots() -> None:
    last = (ROOT / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    assert last.index("\nUSER cartoonist\n") < last.index("\nENTRYPOINT")


def test_the_wheelhouse_asks_pip_for_the_clone_and_its_extras(tmp_path: Path) -> None:
    """pip is stood in for by what writes down how it is called: a real one fetches half a gigabyte."""
    python = tmp_path / "python"
    python.write_text('#!/bin/bash\nmkdir -p "$5"\ntouch "$5/a.whl"\nprintf "%s\\n" "$@" > "$5/asked"\n')
    python.chmod(0o755)
    command = ["bash", str(ROOT / "launch/wheelhouse.sh"), str(tmp_path / "wheel house"), "train,score"]
    made = subprocess.run(command, env={"PATH": "/usr/bin:/bin", "PYTHON": str(python)}, capture_output=True, text=True, check=True)  # fmt: skip  # noqa: E501
    asked = (tmp_path / "wheel house/asked").read_text().splitlines()
    assert asked == ["-m", "pip", "wheel", "--wheel-dir", str(tmp_path / "wheel house"), f"{ROOT}[train,score]"]
    assert "1 wheels; on the node:" in made.stdout
