"""The built package: what its files hold, and that it does everything where no clone is."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import cv2
import pytest
from packaging.metadata import Metadata

import cartoon_dist
from cartoon_dist.files.shipped import IN_CLONE
from tests.running import LIMIT_SECONDS, ROOT

pytestmark = pytest.mark.slow

MAX_BYTES = 20 << 20
"""The largest wheel; more than half of it are the sample pictures."""


def files_of_the_clone() -> list[str]:
    """What git has or would have."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    lines = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if (ROOT / line).is_file()]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the clone without what is ignored: a build leaves files in it."""
    folder = tmp_path_factory.mktemp("source")
    for name in files_of_the_clone():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that was built of it."""
    out = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    [path] = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment with the wheel. Other libraries come from the tests' own environment, by a
    path alone, so that its editable installation of the clone is not taken up."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    [site] = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who has no clone."""
    return tmp_path_factory.mktemp("a place")


def run(bin_folder: Path, place: Path, program: str, *words: str | Path) -> str:
    """What a program of the environment prints, after it has done what it should."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CARTOON_DIST_"))}
    env = kept | {"OMP_NUM_THREADS": "1", "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    command = [str(bin_folder / program), *map(str, words)]
    done = subprocess.run(
        command, cwd=place, env=env, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_trains_and_draws_where_no_clone_is(bin_folder: Path, place: Path) -> None:
    found = run(bin_folder, place, "python", "-c", "import cartoon_dist; print(cartoon_dist.__file__)")
    assert Path(found.strip()).is_relative_to(bin_folder.parent)
    version = run(bin_folder, place, "cartoon-dist", "--version")
    assert version == run(bin_folder, place, "python", "-m", "cartoon_dist", "--version")
    assert version == f"cartoon-dist {cartoon_dist.__version__}\n"
    for domain in ("photos", "cartoons"):
        (place / domain).mkdir()
        for picture in sorted((ROOT / "shards/samples" / domain).glob("*.jpg"))[:8]:
            shutil.copy(picture, place / domain)
        run(bin_folder, place, "cartoon-dist", "shards", domain, domain, f"shards/{domain}", "image_size=32")
        run(bin_folder, place, "cartoon-dist", "shards", "verify", f"shards/{domain}")
    run(bin_folder, place, "cartoon-dist", "slurm", "copy", "jobs")
    launcher = ["accelerate.commands.launch", "--config_file", "jobs/accelerate/cpu.yaml", "--main_process_port", "0"]
    shutil.copy(ROOT / "tests/tiny.yaml", place / "tiny.yaml")
    settings = [
        "max_steps=2",
        "warmup.steps=1",
        "loss.content.weight=0",
        "warmup.loss=pixel",
        "num_samples=1",
        "batch_size=2",
    ]
    words = ["ablation/sal", "tiny.yaml", "data.photos=shards/photos", "data.cartoons=shards/cartoons", *settings]
    run(bin_folder, place, "python", "-m", *launcher, "-m", "cartoon_dist", "train", *words)
    run_folder = place / "runs/sal-tiny"
    assert (run_folder / "step-0000002/manifest.json").exists()
    photo = next((place / "photos").iterdir())
    run(bin_folder, place, "cartoon-dist", "cartoonize", run_folder, photo, "drawn.png")
    assert cv2.imread(str(place / "drawn.png")).shape == cv2.imread(str(photo)).shape


def test_what_to_type_is_said_for_who_has_no_clone(bin_folder: Path, place: Path) -> None:
    listed = run(bin_folder, place, "cartoon-dist", "train", "--help")
    assert "accelerate launch -m cartoon_dist train demo" in " ".join(listed.split())
    report = [str(bin_folder / "cartoon-dist"), "shards", "verify", str(place)]
    told = subprocess.run(report, capture_output=True, text=True, check=False, cwd=place).stderr
    assert "built by cartoon-dist shards photos or cartoon-dist shards cartoons" in told


def test_the_wheel_holds_all_that_travels_and_nothing_else(wheel: Path, source: Path) -> None:
    package = {path.relative_to(source).as_posix() for path in (source / "cartoon_dist").rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as files:
        names = {name for name in files.namelist() if ".dist-info/" not in name}
        assert package - names == set()
        shipped = set()
        for name, place in IN_CLONE.items():
            for path in (path for path in (source / place).rglob("*") if path.is_file()):
                inside = f"cartoon_dist/{name}/{path.relative_to(source / place).as_posix()}"
                assert files.read(inside) == path.read_bytes()
                shipped.add(inside)
        assert names == package | shipped
    assert wheel.stat().st_size < MAX_BYTES


def test_its_metadata_are_whole(wheel: Path, built: Path, source: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        [at] = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Metadata.from_email(files.read(at), validate=True)
        assert files.read(f"{Path(at).parent}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        scripts = files.read(f"{Path(at).parent}/entry_points.txt").decode()
    assert metadata.license_expression == "MIT"
    assert metadata.description == (source / "README.md").read_text(encoding="utf-8")
    assert str(metadata.version) == cartoon_dist.__version__
    assert re.search(r"^cartoon-dist = cartoon_dist\.commands\.dispatch:main$", scripts, flags=re.MULTILINE)
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"Makefile", "setup.py", "launch/train.py", "tests/conftest.py", "docs/architecture.md"} <= names
