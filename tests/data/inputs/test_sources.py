"""Which pictures the inputs name: folders, globs, files, lists, unusual names."""

import cProfile
import os
import pstats
from collections.abc import Sequence
from pathlib import Path

import pytest

from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.build.job import plan_job
from cartoon_dist.data.inputs.sources import ChosenFrame, PictureList, find_pictures
from cartoon_dist.errors import PictureError


def find(*inputs: Path | str) -> PictureList:
    return find_pictures([str(path) for path in inputs], test_fraction=0.0, seed=0, choose_frames=no_frames)


def no_frames(path: Path, _: str) -> Sequence[ChosenFrame]:
    raise AssertionError(path)


def names(*inputs: Path | str) -> list[str]:
    return [picture.name for picture in find(*inputs).pictures]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.PNG", "sub/c.webp", "sub/deep/a.PNG", "notes.md", "sub/.thumb.db"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "set"


ALL = ["a.PNG", "b.jpg", "sub/c.webp", "sub/deep/a.PNG"]


def test_a_folder_is_searched_and_sorted(folder: Path) -> None:
    assert names(folder) == ALL
    assert [picture.bytes for picture in find(folder).pictures] == [5, 5, 10, 14]


def test_the_same_picture_named_twice_comes_once(folder: Path) -> None:
    assert names(folder, folder / "b.jpg", folder / "sub" / ".." / "*.jpg", f"{folder}/sub") == ALL


def test_names_do_not_depend_on_where_the_folder_lies(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert names("sub") == names(folder / "sub") == ["c.webp", "deep/a.PNG"]
    assert names("**/*.*") == ALL


def test_two_folders_with_the_same_file_names_stay_apart(folder: Path) -> None:
    assert names(folder / "sub", folder / "sub" / "deep") == ["c.webp", "deep/a.PNG"]
    (folder / "other").mkdir()
    (folder / "other" / "c.webp").touch()
    assert names(folder / "sub", folder / "other") == ["other/c.webp", "sub/c.webp", "sub/deep/a.PNG"]


def test_a_list_file_holds_a_path_a_line(folder: Path) -> None:
    listed = folder.parent / "list.txt"
    listed.write_text(f"{folder}/b.jpg\n\n{folder}/sub\n", encoding="utf-8")
    assert names(listed) == ["b.jpg", "sub/c.webp", "sub/deep/a.PNG"]


def test_a_file_name_that_looks_like_a_glob_is_taken_literally(folder: Path) -> None:
    (folder / "[ab].jpg").touch()
    assert names(folder / "[ab].jpg") == ["[ab].jpg"]


def test_links_are_followed_and_cycles_end(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "linked.jpg").symlink_to(folder / "b.jpg")
    assert names(folder) == ["a.PNG", "b.jpg", "linked.jpg", "sub/c.webp", "sub/deep/a.PNG"]


def test_the_nearest_scenes_file_wins(folder: Path) -> None:
    (folder / "scenes.csv").write_text("file,scene\nb.jpg,beach\nsub/c.webp,wood\nsub/deep/a.PNG,beach\n", "utf-8")
    (folder / "sub" / "scenes.csv").write_text("file,scene\nc.webp,lake\n", "utf-8")
    assert [picture.scene for picture in find(folder).pictures] == ["a.PNG", "beach", "lake", "beach"]


def test_a_scene_is_never_split(folder: Path) -> None:
    for number in range(40):
        (folder / f"{number}.png").touch()
    rows = [f"{number}.png,scene {number % 8}" for number in range(40)]
    (folder / "scenes.csv").write_text("\n".join(["file,scene", *rows]), "utf-8")
    pictures = find_pictures([str(folder)], test_fraction=0.5, seed=3, choose_frames=no_frames).pictures
    by_scene: dict[str, set[str]] = {}
    for picture in pictures:
        by_scene.setdefault(picture.scene, set()).add(picture.split)
    assert all(len(splits) == 1 for splits in by_scene.values())
    assert sum(splits == {"test"} for splits in by_scene.values()) == 6  # half of 8 scenes and 4 lone pictures


@pytest.mark.parametrize("missing", ["nowhere", "nowhere/*.jpg", "set/*.md", "empty", "empty.txt"])
def test_an_input_without_pictures_is_refused(folder: Path, missing: str) -> None:
    (folder.parent / "empty").mkdir()
    (folder.parent / "empty.txt").touch()
    with pytest.raises(PictureError, match=missing.split("*")[0]):
        find(folder, folder.parent / missing)


def test_a_large_folder_takes_few_calls_for_each_file(tmp_path: Path) -> None:
    calls = []
    for num_files in (100, 600):
        for number in range(num_files):
            (tmp_path / f"{number}.jpg").touch()
        with cProfile.Profile() as profile:
            job = plan_job([str(tmp_path)], domain="photo", settings=ShardSettings())
        assert len(job.pictures) == num_files
        calls.append(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]
    assert (calls[1] - calls[0]) / 500 < 30  # 21; with a Path for each there were 45


def test_a_name_that_is_not_utf8_is_refused(folder: Path) -> None:
    with open(os.fsencode(folder) + b"/caf\xe9.jpg", "wb"):  # noqa: PTH123 (a name in bytes)
        pass
    with pytest.raises(PictureError, match=r"caf\\xe9.jpg.*rename"):
        find(folder)
