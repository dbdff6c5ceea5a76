"""Where onnxruntime-web comes from, and that nothing but the pinned release is taken."""

import shutil
import tarfile
from pathlib import Path

import pytest

from cartoon_dist.errors import ConfigError
from cartoon_dist.files.bounded import sha256_of
from cartoon_dist.web.browser_runtime import FILES, VERSION, bring_runtime


def npm_that(folder: Path, line: str) -> str:
    """A PATH whose npm is a script of this one line."""
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{line}\n")
    npm.chmod(0o755)
    return str(folder)


def test_without_npm_the_error_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"npm, which would fetch it, is not installed; .*type `npm pack onnxr"
    ) as told:
        bring_runtime(tmp_path / "runtime", None)
    assert f"runtime=onnxruntime-web-{VERSION}.tgz" in str(told.value)
    assert "\n" not in str(told.value)


def test_npm_s_own_words_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npm_that(tmp_path / "bin", "echo 'npm error network ENOTFOUND' >&2; exit 1")
    monkeypatch.setenv("PATH", path)
    with pytest.raises(
        ConfigError, match=r"npm could not fetch onnxruntime-web@.* \(npm error network ENOTFOUND\); on a"
    ):
        bring_runtime(tmp_path / "runtime", None)
    assert not (tmp_path / "runtime").exists()


def test_another_package_is_refused_whoever_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / f"onnxruntime-web-{VERSION}.tgz"
    (tmp_path / FILES[0].source).write_text("fetch('http://evil')")
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tmp_path / FILES[0].source, f"package/dist/{FILES[0].source}")
    with pytest.raises(ConfigError, match=r"is not onnxruntime-web@.* as npm has it"):
        bring_runtime(tmp_path / "runtime", archive)
    path = npm_that(tmp_path / "bin", f'/bin/cp {archive} "$4/"')
    monkeypatch.setenv("PATH", path)
    with pytest.raises(ConfigError, match=r"is not onnxruntime-web@.* as npm has it"):
        bring_runtime(tmp_path / "runtime", None)
    assert not (tmp_path / "runtime").exists()


def test_a_folder_with_other_files_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"dist/{FILES[0].source} is missing; it must be"):
        bring_runtime(tmp_path / "runtime", tmp_path)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / FILES[0].source).write_text("another")
    with pytest.raises(ConfigError, match=f"dist/{FILES[0].source} is another; it must be"):
        bring_runtime(tmp_path / "runtime", tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        bring_runtime(tmp_path / "runtime", tmp_path / "nowhere.tgz")


@pytest.mark.slow
def test_the_real_package_is_taken_once(runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in FILES:
        assert sha256_of(runtime / file.name) == file.sha256
    monkeypatch.setenv("PATH", str(tmp_path))  # no npm from here on
    bring_runtime(runtime, None)
    unpacked = tmp_path / "node_modules/onnxruntime-web/dist"
    unpacked.mkdir(parents=True)
    for file in FILES:
        shutil.copy(runtime / file.name, unpacked / file.source)
    bring_runtime(tmp_path / "again", tmp_path)
    # What is damaged is replaced, and nothing else is touched.
    whole, damaged = (tmp_path / "again" / file.name for file in FILES[:2])
    before = whole.stat().st_mtime_ns
    damaged.write_bytes(damaged.read_bytes()[:-1])
    bring_runtime(tmp_path / "again", tmp_path)
    assert sha256_of(damaged) == FILES[1].sha256
    assert whole.stat().st_mtime_ns == before
