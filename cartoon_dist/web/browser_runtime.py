"""onnxruntime-web: what draws in a visitor's browser. Its files are in no package of ours: npm, or the user, brings
them.

Version and hashes are pinned: whoever brings the files, they are the ones that the npm registry names by this
integrity.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.errors import ConfigError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import read_regular, sha256_if_readable

VERSION = "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the package as the registry serves it, in the form of npm's lock files."""
PACKAGE = f"onnxruntime-web@{VERSION}"
ARCHIVE = f"onnxruntime-web-{VERSION}.tgz"
_MAX_BYTES = 200 << 20
_LIMIT_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class RuntimeFile:
    """A file of the package: its name there, in `dist/`, the name that a page gives it, and its hash.

    A script is named .js, as some servers do not know that .mjs is one.
    """

    source: str
    name: str
    sha256: str


FILES = (
    RuntimeFile(
        source="ort.wasm.bundle.min.mjs",
        name="ort.wasm.js",
        sha256="11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    ),
    RuntimeFile(
        source="ort-wasm-simd-threaded.wasm",
        name="ort-wasm-simd-threaded.wasm",
        sha256="3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
    RuntimeFile(
        source="ort.webgpu.bundle.min.mjs",
        name="ort.webgpu.js",
        sha256="0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
    ),
    RuntimeFile(
        source="ort-wasm-simd-threaded.asyncify.wasm",
        name="ort-wasm-simd-threaded.asyncify.wasm",
        sha256="39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
    ),
)
"""The processor's part, and the graphics card's; a visitor's browser loads one of the two."""


def bring_runtime(folder: Path, given: Path | None) -> None:
    """Put the files into `folder`: those that are there stay, the others come from `given`, an unpacked package or its
    .tgz, or else by npm. ConfigError, with what to type, where neither has them."""
    lacking = [file for file in FILES if sha256_if_readable(folder / file.name, max_bytes=_MAX_BYTES) != file.sha256]
    if not lacking:
        return
    if given is not None:
        _take(lacking, folder, given)
        return
    with tempfile.TemporaryDirectory() as temporary:
        _take(lacking, folder, _fetch(Path(temporary)))


def _take(files: list[RuntimeFile], folder: Path, given: Path) -> None:
    read = _reader_of_folder(given) if given.is_dir() else _reader_of_archive(given)
    for file in files:
        content = read(file.source)
        if content is None or hashlib.sha256(content).hexdigest() != file.sha256:
            raise ConfigError(
                f"runtime={given}: dist/{file.source} is {'missing' if content is None else 'another'}; it must be "
                f"{PACKAGE}: type `npm pack {PACKAGE}` and give the file it makes, runtime={ARCHIVE}"
            )
        write_atomically(folder / file.name, content)


def _reader_of_folder(folder: Path) -> Callable[[str], bytes | None]:
    """Reads a file of an unpacked package: of the folder itself, or one that holds `package/`, as tar makes it, or
    `node_modules/`, as npm does."""
    places = ("dist", "package/dist", "node_modules/onnxruntime-web/dist", ".")

    def read(name: str) -> bytes | None:
        for place in places:
            path = folder / place / name
            if path.is_file():
                return read_regular(path, max_bytes=_MAX_BYTES)
        return None

    return read


def _reader_of_archive(path: Path) -> Callable[[str], bytes | None]:
    """Reads a file of the .tgz, once its hash is the pinned one; nothing is unpacked to a disk."""
    try:
        content = read_regular(path, max_bytes=_MAX_BYTES)
    except OSError as error:
        raise ConfigError(
            f"runtime={path}: cannot be read ({error.strerror}); type `npm pack {PACKAGE}` and give {ARCHIVE}"
        ) from None
    found = f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"
    if found != INTEGRITY:
        raise ConfigError(
            f"runtime={path}: is not {PACKAGE} as npm has it (its integrity is {found[:20]}..., not "
            f"{INTEGRITY[:20]}...); type `npm pack {PACKAGE}` and give {ARCHIVE}"
        )
    with tarfile.open(path) as archive:
        wanted = {f"package/dist/{file.source}": file.source for file in FILES}
        held = {
            wanted[member.name]: extracted.read()
            for member in archive
            if member.name in wanted and (extracted := archive.extractfile(member)) is not None
        }
    return held.get


def _fetch(folder: Path) -> Path:
    """The .tgz, fetched by npm into a folder. No script of the package is run."""
    advice = (
        f"on a machine that has npm and the network type `npm pack {PACKAGE}`, bring the file here and give "
        f"runtime={ARCHIVE}"
    )
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigError(f"the page needs {PACKAGE} and npm, which would fetch it, is not installed; {advice}")
    command = [npm, "pack", PACKAGE, "--pack-destination", str(folder), "--ignore-scripts", "--silent"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"npm could not fetch {PACKAGE} ({error}); {advice}") from None
    if done.returncode or not (folder / ARCHIVE).is_file():
        said = " ".join((done.stderr or done.stdout).split())[-200:] or f"status {done.returncode}"
        raise ConfigError(f"npm could not fetch {PACKAGE} ({said}); {advice}")
    return folder / ARCHIVE
