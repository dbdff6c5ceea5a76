"""What pyproject.toml says: its ranges hold what the tests run on, and its version is the only one."""

import re
import tomllib
from datetime import date
from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.requirements import Requirement

import cartoon_dist
from tests.running import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_FOR_TESTS = PROJECT["optional-dependencies"]["remote"]
LINES = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
ASKED = sorted({line for line in LINES if not line.startswith("cartoon-dist[")})


@pytest.mark.parametrize("line", ASKED)
def test_every_range_holds_the_release_that_is_installed(line: str) -> None:
    asked = Requirement(line)
    assert asked.specifier, "give the range that was tested"
    try:
        assert version(asked.name) in asked.specifier
    except PackageNotFoundError:
        if line not in NOT_FOR_TESTS:
            raise
        pytest.skip("the tests do without it")


def test_torch_and_torchvision_are_a_matching_pair() -> None:
    import torch
    import torchvision

    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    # A torchvision built for another torch fails in its compiled operators.
    assert torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0]


def test_the_version_is_that_of_the_newest_release_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", changelog, flags=re.MULTILINE)
    assert releases[0][0] == PROJECT["version"] == cartoon_dist.__version__
    days = [date.fromisoformat(day) for _, day in releases]
    assert days == sorted(days, reverse=True)


def test_type_checkers_of_other_projects_read_our_annotations() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert (ROOT / "cartoon_dist/py.typed").exists()
    assert "py.typed" in setuptools["package-data"]["*"]
