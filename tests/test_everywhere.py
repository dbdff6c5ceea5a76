"""The commands where Python has no fork, no fcntl, no SIGUSR2, no cores to ask for, and files behave as on Windows.

`tests/other_system/sitecustomize.py` takes all that away. What neither it nor mypy's other platforms can show, only
macOS and Windows themselves would.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.running import LIMIT_SECONDS, ROOT, environment
from tests.test_architecture import PACKAGE, SOURCES

ONLY_SOME_SYSTEMS = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "msvcrt", "winreg", "curses", "crypt"}
ASKED_IN_ONE_PLACE = {
    "sched_getaffinity": "cpu/cores.py",
    "pread": "files/descriptors.py",
    "O_NONBLOCK": "files/descriptors.py",
    "O_BINARY": "files/descriptors.py",
    "O_DIRECTORY": "files/descriptors.py",
    "register_at_fork": "image/codec.py",
}
NEVER = {"fork", "getuid", "geteuid", "setsid", "mkfifo", "O_CLOEXEC", "pwrite", "statvfs", "process_cpu_count"}


def _other_system(root: Path) -> dict[str, str]:
    path = f"{ROOT / 'tests/other_system'}{os.pathsep}{ROOT}"
    return environment() | {
        "PYTHONPATH": path,
        "PYTHONIOENCODING": "cp1252",
        "OTHER_SYSTEM_ROOT": str(root),
    }


def typed(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`cartoon-dist WORDS`, in a folder of the other system."""
    return subprocess.run(
        [sys.executable, "-m", "cartoon_dist", *words],
        cwd=root,
        env=_other_system(root),
        capture_output=True,
        encoding="cp1252",
        timeout=LIMIT_SECONDS,
        check=False,
    )


def done(root: Path, *words: str) -> str:
    """What the command says on standard output when all goes well."""
    made = typed(root, *words)
    assert made.returncode == 0, f"{' '.join(words)}\n{made.stderr}"
    return made.stdout


TRAINING = (
    *("train", str(ROOT / "tests/tiny.yaml"), "data.photos=photos", "data.cartoons=cartoons", "run_dir=run"),
    *("loss.content.weight=0", "warmup.loss=pixel", "data.num_workers=1", "num_samples=1", "device=cpu"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the other system with shards and a trained run of 2 steps in it."""
    root = tmp_path_factory.mktemp("other-system")
    for domain in ("photos", "cartoons"):
        samples = str(ROOT / "shards/samples" / domain)
        done(root, "shards", domain, samples, domain, "image_size=32", "num_workers=2")
    done(root, *TRAINING, "max_steps=2")
    return root


def test_the_other_system_is_another(tmp_path: Path) -> None:
    """What the tests below take away is away, in workers too: else they would show nothing."""
    asked = (
        "import os, signal, sys; from multiprocessing import get_all_start_methods, get_start_method\n"
        "from pathlib import Path\n"
        "assert not any(hasattr(os, name) for name in ('fork', 'sched_getaffinity', 'pread', 'O_DIRECTORY'))\n"
        "assert not hasattr(signal, 'SIGUSR2') and not hasattr(signal, 'SIGHUP')\n"
        "assert get_start_method() == 'spawn'\n"
        "held = open('held', 'w')\n"
        "def refused(work, kind):\n"
        "    try: work()\n"
        "    except kind: return True\n"
        "assert refused(lambda: __import__('fcntl'), ImportError)\n"
        "assert refused(lambda: os.open('.', os.O_RDONLY), PermissionError) is None\n"  # not below the root: itself
        "Path('folder').mkdir(); Path('other').touch()\n"
        "assert refused(lambda: os.open('folder', os.O_RDONLY), PermissionError)\n"
        "assert refused(lambda: Path('held').unlink(), PermissionError)\n"
        "assert refused(lambda: Path('other').replace('held'), PermissionError)\n"
        "assert refused(lambda: Path('held').rename('other'), OSError)\n"
        "assert refused(lambda: open('a:b', 'w'), OSError) and refused(lambda: open('nul.txt', 'w'), OSError)\n"
        "held.close(); Path('other').replace('held')\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=tmp_path,
        env=_other_system(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


@pytest.mark.slow
def test_shards_are_the_same_as_here(place: Path, shards: Path) -> None:
    for domain in ("photos", "cartoons"):
        [tar] = (place / domain).glob("*.tar")
        assert tar.read_bytes() == (shards / domain / tar.name).read_bytes()
    assert "24 photos" in done(place, "shards", "verify", "photos")


@pytest.mark.slow
def test_a_damaged_shard_is_built_again(place: Path) -> None:
    samples = str(ROOT / "shards/samples/photos")
    done(place, "shards", "photos", samples, "damaged", "image_size=32", "num_workers=1")
    [tar] = (place / "damaged").glob("*.tar")
    whole = tar.read_bytes()
    tar.write_bytes(whole[:-2000])
    assert typed(place, "shards", "verify", "damaged").returncode == 2
    done(place, "shards", "verify", "damaged", "--mend")
    assert tar.read_bytes() == whole


@pytest.mark.slow
def test_training_saves_goes_on_and_reports(place: Path) -> None:
    assert [path.name for path in place.glob("run/step-*")] == ["step-0000002"]
    done(place, *TRAINING, "max_steps=3")
    assert (place / "run/step-0000003").is_dir()
    assert "run" in done(place, "report", "run")
    assert (place / "run/report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["run", "model.safetensors", "model.onnx"])
def test_runs_and_exports_draw_alike(place: Path, model: str) -> None:
    if not (place / model).exists():
        done(place, "export", "run", model, "device=cpu")
    photos = sorted((ROOT / "shards/samples/photos").glob("*.jpg"))[:2]
    for name in ("first", "second"):  # the second time over drawings that are there
        done(place, "cartoonize", model, str(photos[0]), f"{name}.png", "device=cpu")
        done(place, "cartoonize", "run", str(photos[0]), f"{name}-of-run.png", "device=cpu", "weights=ema")
    drawn, of_run = (cv2.imread(str(place / f"second{kind}.png")) for kind in ("", "-of-run"))
    assert drawn is not None
    assert of_run is not None
    assert np.abs(drawn.astype(int) - of_run.astype(int)).max() <= 2


@pytest.mark.slow
def test_mypy_finds_nothing_that_another_platform_lacks(tmp_path: Path) -> None:
    here = _complaints("linux", tmp_path)
    for platform in ("win32", "darwin"):
        assert _complaints(platform, tmp_path) - here == set(), platform


def test_mypy_sees_what_another_platform_lacks(tmp_path: Path) -> None:
    asks = tmp_path / "asks.py"
    asks.write_text("import os\nimport torch\n\nos.fork()\ntorch.no_such_name\n")
    there = _complaints("win32", tmp_path, str(asks)) - _complaints("linux", tmp_path, str(asks))
    assert [line.partition("error: ")[2] for line in there] == ['Module has no attribute "fork"  [attr-defined]']


def _complaints(platform: str, scratch: Path, *files: str) -> set[str]:
    """What mypy says of a platform. It does not read the libraries, which takes most of its time: what it then says of
    their types is the same on all platforms."""
    words = [sys.executable, "-m", "mypy", "--platform", platform, "--cache-dir", str(scratch / platform)]
    words += ["--follow-imports", "skip", *files]
    checked = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert checked.returncode in (0, 1), checked.stdout + checked.stderr
    assert not checked.stderr
    return {line for line in checked.stdout.splitlines() if ": error: " in line}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_only_some_systems_have_is_asked_for_in_one_place(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported & ONLY_SOME_SYSTEMS == set()
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    named |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    here = path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name
    elsewhere = {name for name, place in ASKED_IN_ONE_PLACE.items() if name in named and here != place}
    assert elsewhere | {node.attr for node in _attributes(tree, "os") if node.attr in NEVER} == set()
    ours = here in {"console/signals.py", "train/trackers/follow.py", "train/trackers/process.py"}
    signals = {node.attr for node in _attributes(tree, "signal") if re.match(r"SIG(USR|HUP|KILL|ALRM|CHLD)", node.attr)}
    assert ours or signals == set()


def _attributes(tree: ast.AST, module: str) -> list[ast.Attribute]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module
    ]
