"""Where a machine has a GPU, only `pytest -m gpu` sees it, with the processes that its tests start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import LIMIT_SECONDS, ROOT, environment

pytestmark = pytest.mark.slow

LOOKS = """
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

torch.cuda.is_available = lambda: True  # else the test for a GPU is skipped where there is none


def looks(name: str) -> None:
    says = "import os, sys; sys.stdout.write(os.environ['CUDA_VISIBLE_DEVICES'])"
    child = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    seen = [os.environ["CUDA_VISIBLE_DEVICES"], child.stdout]
    Path(__file__).with_name(f"{name}.json").write_text(json.dumps(seen))


def test_for_any_machine() -> None:
    looks("any")


@pytest.mark.gpu
def test_for_a_gpu() -> None:
    looks("gpu")
"""


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], {"any": ["", ""], "gpu": ["", ""]}),
        (["-m", "not gpu"], {"any": ["", ""]}),
        (["-m", "gpu"], {"gpu": ["0", "0"]}),
    ],
    ids=["all", "not gpu", "gpu"],
)
def test_what_a_session_and_its_children_see(tmp_path: Path, asked: list[str], expected: dict[str, list[str]]) -> None:
    (tmp_path / "test_looks.py").write_text(LOOKS)
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest"]
    done = subprocess.run(
        [*command, *asked, str(tmp_path / "test_looks.py")],
        env=environment() | {"CUDA_VISIBLE_DEVICES": "0", "PYTHONPATH": f"{ROOT}"},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")} == expected
