"""List files of pictures, as editors and other systems write them."""

from pathlib import Path

import pytest

from cartoon_dist.data.inputs.arguments import InputCollector
from cartoon_dist.data.inputs.search import IgnoredFiles
from cartoon_dist.errors import PictureError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pics/a b.jpg", "pics/c.jpg", "pics/sub/d.png", "pics/#e.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(listed: Path) -> list[str]:
    inputs = InputCollector(IgnoredFiles(), {})
    inputs.add(str(listed))
    return sorted(Path(path).relative_to(listed.parent).as_posix() for path in inputs.sizes)


BOTH = ["pics/a b.jpg", "pics/c.jpg"]


@pytest.mark.parametrize(
    "text",
    [
        "pics/a b.jpg\npics/c.jpg",
        "# my photos\n\n  pics/a b.jpg  \r\n\r\n\tpics/c.jpg\r\n",
        "./pics/a b.jpg\r./pics//c.jpg\r",
        "\"pics/a b.jpg\"\n'pics/c.jpg'\n",
        "pics\\a b.jpg\n.\\pics\\c.jpg\n",
        "pics/[ac]*.jpg\n",
        "~/pics/a b.jpg\npics\\c.jpg\n",
        "\ufeffpics/a b.jpg\npics/c.jpg\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_relative_paths_start_at_the_lists_folder(
    folder: Path, text: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if encoding == "utf-16":
        text = text.removeprefix("\ufeff")
    (folder / "list.txt").write_bytes(text.encode(encoding))
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", str(folder))
    assert names(folder / "list.txt") == BOTH


def test_a_list_names_folders_lists_and_names_with_a_hash(folder: Path) -> None:
    (folder / "list.txt").write_text("pics/sub\npics/more.TXT\n")
    (folder / "pics/more.TXT").write_text("./#e.jpg\n#c.jpg\n")
    assert names(folder / "list.txt") == ["pics/#e.jpg", "pics/sub/d.png"]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"pics/c.jpg\n\npics/gone.jpg\n", r"list\.txt: line 3: .*/pics/gone\.jpg: no such file"),
        (b"pics/c.jpg\ncaf\xe9.jpg\n", r"list\.txt: line 2 is not UTF-8 text \(caf\\xe9\.jpg\)"),
        (b"list.txt\n", r"list\.txt: line 1: .*: a list that names itself"),
        (b"\n# none\n", "an empty list"),
        (b"a" * 5000 + b"\n", r"list\.txt: line 1: .*cannot be read|no such file"),
    ],
)
def test_an_error_names_the_line_number(folder: Path, data: bytes, complaint: str) -> None:
    (folder / "list.txt").write_bytes(data)
    with pytest.raises(PictureError, match=complaint):
        names(folder / "list.txt")
