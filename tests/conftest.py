"""What every test runs under: on the CPU, shapes checked where they are annotated, one thread."""

import jaxtyping

# Before anything of ours is imported. Shapes are checked here and never in production.
jaxtyping.install_import_hook(
    ["cartoon_dist.models", "cartoon_dist.losses", "cartoon_dist.methods", "cartoon_dist.tensors"], "beartype.beartype"
)

import os  # noqa: E402
from pathlib import Path  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from tests.running import ROOT, close, script  # noqa: E402

# How long an example takes, or is looked for, depends on what else the machine does.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tests share two cores with the processes they start."""
    torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    """Only `pytest -m gpu` sees GPUs. All other tests run on the CPU on every machine, with the processes they start.

    torch reads the variable when it first looks for a GPU, and has not done so yet.
    """
    asked = config.getoption("markexpr")
    if "gpu" not in asked or "not gpu" in asked or config.getoption("--rehearse-gpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        assert not torch.cuda.is_available()


def pytest_unconfigure() -> None:
    """Nothing is left running."""
    close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: what is left at the end is short, and no process waits long for the other."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that need what is not there say why they did not run."""
    rehearsal = item.config.getoption("--rehearse-gpu")
    if rehearsal and item.get_closest_marker("slow"):
        pytest.skip("a rehearsal runs the short selection")
    if item.get_closest_marker("gpu") and not torch.cuda.is_available() and not rehearsal:
        pytest.skip("needs a CUDA device: there is none, or it is hidden as this is not `pytest -m gpu`")
    if item.get_closest_marker("slurm") and not item.config.getoption("--slurm"):
        pytest.skip("needs a running Slurm: make test-slurm starts one")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --record` writes the golden files anew; look at the difference before you commit it.

    `--rehearse-gpu` lets the tests marked gpu run where there is none: their own code is tried then.
    `--slurm` says that a Slurm is running: then its tests are not skipped, and fail where they cannot run.
    """
    parser.addoption("--record", action="store_true", help="write the golden files anew")
    parser.addoption(
        "--rehearse-gpu", action="store_true", help="run the tests of tests/gpu on the CPU, as far as it goes"
    )
    parser.addoption("--slurm", action="store_true", help="a Slurm is running: run the tests that need one")


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of the embedded pictures at 32 px, built by the real commands: a folder with photos/ and cartoons/."""
    folder = tmp_path_factory.mktemp("shards")
    for domain in ("photos", "cartoons"):
        built = script(
            f"shards/{domain}.py", ROOT / "shards/samples" / domain, folder / domain, "image_size=32", "num_workers=1"
        )
        assert built.returncode == 0, built.stderr
    return folder
