"""Which files a search of a folder takes, and that all others are counted."""

from pathlib import Path

import pytest

from cartoon_dist.data.inputs.search import IgnoredFiles, pictures_under
from cartoon_dist.errors import PictureError


def put(folder: Path, *names: str, content: str = "x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def searched(folder: Path) -> tuple[list[str], IgnoredFiles]:
    ignored = IgnoredFiles()
    return [path.relative_to(folder).as_posix() for path in pictures_under(folder, ignored)], ignored


def test_files_of_other_kinds_are_counted_by_their_suffix(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.PNG", "p.psd", "d/q.jxl", "d/r.JXL", "scenes.csv", "LICENSE", "x.jpg?width=9000000000")
    taken, ignored = searched(tmp_path)
    assert taken == ["a.jpg", "b.PNG"]
    assert ignored.in_words() == "not taken: 2 .jxl, 2 without a suffix, 1 .psd"


def test_rare_suffixes_are_summed_up(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", *(f"x.k{number:02d}" for number in range(11)))
    assert searched(tmp_path)[1].in_words().endswith(", 1 .k07, 3 of 3 other kinds")


def test_files_of_the_operating_system_are_skipped_and_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "._a.jpg", ".DS_Store", "Thumbs.db", "DESKTOP.INI", "__MACOSX/a.jpg", "$RECYCLE.BIN/b.jpg")
    taken, ignored = searched(tmp_path)
    assert taken == ["a.jpg"]
    assert ignored.in_words() == "not taken: 6 of the system ($RECYCLE.BIN, .DS_Store, ._a.jpg, ...)"


def test_folders_that_this_program_wrote_are_skipped_and_named(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "s/contact-sheet.png", "r/config.yaml", "r/metrics.jsonl", "r/samples/step-0000001.png")
    put(tmp_path, "s/job.json", content='{\n "format": 1}')
    put(tmp_path, "t/tables.md", "t/tables.html", "t/grid.png", "theirs/manifest.json", "theirs/b.jpg", "c/config.yaml")
    put(tmp_path, "c/c.jpg")
    taken, ignored = searched(tmp_path)
    assert taken == ["a.jpg", "c/c.jpg", "theirs/b.jpg"]
    assert ignored.folders == {
        f"{tmp_path}/r": "a run",
        f"{tmp_path}/s": "a shard folder",
        f"{tmp_path}/t": "the tables' folder",
    }
    assert f"left out {tmp_path}/s: it is a shard folder" in list(ignored.lines())
    assert ignored.in_words().endswith("3 folders")
    for name in ("r", "r/samples", "s"):
        with pytest.raises(PictureError, match=f"{name}: is .*, no folder of pictures"):
            searched(tmp_path / name)


def test_nothing_is_reported_when_all_files_are_taken(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "scenes.csv")
    assert list(searched(tmp_path)[1].lines()) == []


def test_broken_and_circular_links_do_not_stop_the_search(tmp_path: Path) -> None:
    put(tmp_path, "b/a.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "a").symlink_to("b")
    assert searched(tmp_path)[0] == ["a/a.jpg", "gone.jpg"]  # the first of two ways into a folder
