"""Models, and onnxruntime-web from npm: made and fetched once."""

import shutil
import subprocess
from pathlib import Path

import pytest

from cartoon_dist.web.browser_runtime import PACKAGE, bring_runtime
from tests.web.small_models import write_model


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two small models that draw differently."""
    folder = tmp_path_factory.mktemp("models")
    return [write_model(folder / f"{name}.safetensors", seed=seed) for seed, name in enumerate(("hayao", "hosoda"))]


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of onnxruntime-web that a page needs, fetched by npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"there is no npm to fetch {PACKAGE} with")
    asked = subprocess.run([npm, "view", PACKAGE, "version"], capture_output=True, text=True, check=False, timeout=120)
    if asked.returncode:
        pytest.skip(f"npm's registry does not answer: {asked.stderr.strip()[-200:]}")
    folder = tmp_path_factory.mktemp("npm") / "runtime"
    bring_runtime(folder, None)
    return folder
