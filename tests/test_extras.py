"""What each extra brings, as pyproject.toml has it, and that the base installation needs nothing of it."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import cv2
import pytest
from packaging.requirements import Requirement

from cartoon_dist import extras
from cartoon_dist.errors import ConfigError
from tests.running import ROOT, cheap, environment, train

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
BLOCKED = """
import runpy, sys
blocked, sys.argv = sys.argv[1].split(","), ["cartoon-dist", *sys.argv[2:]]
sys.modules.update(dict.fromkeys(blocked))
runpy.run_module("cartoon_dist", run_name="__main__")
"""


def name_of(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def brought_by(lines: list[str]) -> set[str]:
    """The distributions that these requirements bring, and theirs, as far as they are installed."""
    found: set[str] = set()
    waiting = list(lines)
    while waiting:
        asked = Requirement(waiting.pop())
        if asked.marker and not asked.marker.evaluate({"extra": ""}):
            continue
        if (name := name_of(asked.name)) in found:
            continue
        found.add(name)
        try:
            waiting += requires(asked.name) or []
        except PackageNotFoundError:
            continue
    return found


def modules() -> dict[str, set[str]]:
    """Every module that can be imported, with the distributions that have it."""
    return {module: {name_of(name) for name in names} for module, names in packages_distributions().items()}


def beside_the_base() -> list[str]:
    """The modules of this environment that a base installation does not have."""
    base = brought_by(PROJECT["dependencies"]) | {"cartoon-dist", "setuptools", "pip"}
    return sorted(module for module, names in modules().items() if not names & base)


@pytest.mark.parametrize("extra", extras.LIBRARIES)
def test_each_library_is_brought_by_its_extra(extra: str) -> None:
    brought = brought_by([line for line in EXTRAS[extra] if not line.startswith("cartoon-dist")])
    there = modules()
    for library in extras.LIBRARIES[extra]:
        if library in there:  # the tests do without remote
            assert there[library] & brought, library


def test_no_extra_is_forgotten() -> None:
    """Those for developers are asked for by no command."""
    assert set(extras.LIBRARIES) == set(EXTRAS) - {"test", "docs"}


def test_the_tests_have_every_extra_but_remote() -> None:
    [line] = [line for line in EXTRAS["test"] if line.startswith("cartoon-dist")]
    assert Requirement(line).extras == set(EXTRAS) - {"test", "remote"}


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    extras.require("train")
    assert extras.is_installed("train")
    monkeypatch.setitem(sys.modules, "webdataset", None)
    with pytest.raises(ConfigError, match=r"^webdataset is not installed; type: pip install 'cartoon-dist\[train\]'$"):
        extras.require("train")
    assert not extras.is_installed("train")


def blocked(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """`cartoon-dist` where nothing can be imported that the base installation lacks."""
    command = [sys.executable, "-c", BLOCKED, ",".join(beside_the_base()), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment())


@pytest.mark.slow
def test_the_base_installation_draws_and_exports(shards: Path, tmp_path: Path) -> None:
    assert {"accelerate", "numba", "scipy", "skimage", "torchvision", "av", "webdataset"} <= set(beside_the_base())
    run = tmp_path / "run"
    photo = ROOT / "shards/samples/photos/free.jpg"
    assert train(cheap(shards, run, "max_steps=1", "warmup.steps=1")).returncode == 0
    for name in ("generator.safetensors", "generator.onnx"):
        exported = blocked("export", run, tmp_path / name, f"photo={photo}")
        assert exported.returncode == 0, exported.stderr
        drawn = blocked("cartoonize", tmp_path / name, photo, tmp_path / f"{name}.png", "device=cpu")
        assert drawn.returncode == 0, drawn.stderr
        assert cv2.imread(str(tmp_path / f"{name}.png")).shape == cv2.imread(str(photo)).shape
    assert blocked("report", run).returncode == 0
    assert blocked("weights", "list").returncode == 0


@pytest.mark.slow
def test_the_base_installation_says_what_training_needs() -> None:
    for words in (["train", "demo"], ["shards", "photos", "a", "b"], ["fid", "runs/x"], ["demo"]):
        done = blocked(*words)
        assert done.returncode == 2
        said = r"error: accelerate is not installed; type: pip install 'cartoon-dist\[train(,score)?\]'\n"
        assert re.fullmatch(said, done.stderr)
