"""Paths with forward slashes, of this system and of Windows."""

import ntpath
import os
import posixpath
from pathlib import Path

import pytest

from cartoon_dist.files import slashes
from cartoon_dist.files.slashes import absolute_path, common_path, folder_of, real_path


@pytest.fixture
def _windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slashes, "_paths", ntpath)


@pytest.mark.usefixtures("_windows")
def test_paths_of_windows() -> None:
    assert absolute_path("C:\\Users\\me\\.\\photos\\a.jpg") == "C:/Users/me/photos/a.jpg"
    assert absolute_path("C:/Users/me/../you") == "C:/Users/you"
    assert common_path(["C:/Users/me/photos", "C:/Users/me/films/b"]) == "C:/Users/me"
    assert common_path(["C:/a", "C:/b"]) == "C:/"
    assert common_path([absolute_path("\\\\server\\share\\a\\b"), "//server/share/a/c"]) == "//server/share/a"
    with pytest.raises(ValueError, match="drive"):
        common_path(["C:/a", "D:/a"])


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/photos/a.jpg", "/photos"),
        ("/a.jpg", "/"),
        ("/", "/"),
        ("C:/photos/a.jpg", "C:/photos"),
        ("C:/a.jpg", "C:/"),
        ("C:/", "C:/"),
    ],
)
def test_the_folder_of_a_path(path: str, folder: str) -> None:
    assert folder_of(path) == folder


@pytest.mark.skipif(os.sep != "/", reason="here a backslash is no part of a name")
def test_a_backslash_in_a_name_stays_where_it_may_stand(tmp_path: Path) -> None:
    (tmp_path / "a\\b").touch()
    (tmp_path / "link").symlink_to("a\\b")
    assert absolute_path(tmp_path / "a\\b") == f"{tmp_path}/a\\b"
    assert real_path(tmp_path / "link") == posixpath.join(os.path.realpath(tmp_path), "a\\b")
