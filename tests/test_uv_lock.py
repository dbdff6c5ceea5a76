"""uv.lock fits pyproject.toml, and names no registry but the public one."""

import re
import tomllib
from itertools import chain
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.running import ROOT

TEXT = (ROOT / "uv.lock").read_text(encoding="utf-8")
LOCK = tomllib.loads(TEXT)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAME = canonicalize_name(PROJECT["name"])
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def packages(name: str) -> list[dict[str, Any]]:
    """What the lock holds of a package: more than one version where systems or Pythons need different ones."""
    return [package for package in LOCK["package"] if package["name"] == canonicalize_name(name)]


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_each_dependency_is_there_in_its_range(extra: str) -> None:
    for text in EXTRAS[extra] if extra else PROJECT["dependencies"]:
        needed = Requirement(text)
        if canonicalize_name(needed.name) == NAME:
            assert needed.extras <= set(EXTRAS)
            continue
        versions = [package["version"] for package in packages(needed.name)]
        assert versions, f"{text}: not in uv.lock; type: uv lock"
        assert all(needed.specifier.contains(Version(version)) for version in versions), f"{text}: {versions}"


def test_it_was_made_of_these_dependencies() -> None:
    """Also of no other: one that was taken out of pyproject.toml is out of the lock."""
    [ours] = packages(NAME)
    assert LOCK["requires-python"] == PROJECT["requires-python"]
    locked = {(entry["name"], entry.get("specifier", "")) for entry in ours["metadata"]["requires-dist"]}
    written = {
        (canonicalize_name(needed.name), _sorted(str(needed.specifier)))
        for needed in map(Requirement, [*PROJECT["dependencies"], *chain.from_iterable(EXTRAS.values())])
        if canonicalize_name(needed.name) != NAME
    }
    assert {(name, _sorted(specifier)) for name, specifier in locked if name != NAME} == written
    assert set(ours["metadata"]["provides-extras"]) == set(EXTRAS)


def test_it_names_the_public_registry_alone() -> None:
    assert set(re.findall(r"\w+://[^/\"]*", TEXT)) == {"https://pypi.org", "https://files.pythonhosted.org"}
    assert {tuple(package["source"]) for package in LOCK["package"]} == {("registry",), ("editable",)}
    assert [package["name"] for package in LOCK["package"] if "editable" in package["source"]] == [NAME]
    files = [file for package in LOCK["package"] for file in [*package.get("wheels", ()), package.get("sdist")] if file]
    assert len(files) > len(LOCK["package"])
    assert all(file["hash"].startswith("sha256:") for file in files)


def _sorted(specifier: str) -> str:
    return ",".join(sorted(specifier.split(",")))
