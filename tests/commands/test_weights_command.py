"""The command that fetches weights, as a user meets it."""

import hashlib
from pathlib import Path

import pytest

from cartoon_dist import pretrained
from cartoon_dist.commands.main import EXIT_DONE, EXIT_USER_ERROR, run_command
from cartoon_dist.commands.weights import main
from cartoon_dist.pretrained import DownloadUrl, PretrainedWeights
from tests.running import script


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, PretrainedWeights]:
    """A table of three: the second cannot be had."""
    made = {}
    for name in ("first", "second", "third"):
        source = tmp_path / f"{name}.published"
        source.write_bytes(name.encode())
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        url = DownloadUrl(source.as_uri())
        made[name] = PretrainedWeights(file=f"{name}.pth", sha256=sha256, source=url, licence="MIT")
    (tmp_path / "second.published").unlink()
    monkeypatch.setattr(pretrained, "KNOWN_WEIGHTS", made)
    return made


@pytest.mark.usefixtures("known")
def test_one_failure_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "weights"
    monkeypatch.setattr("sys.argv", ["weights.py", "fetch", f"weights_folder={folder}"])
    with pytest.raises(SystemExit) as left:
        run_command(main)
    assert left.value.code == EXIT_USER_ERROR
    assert sorted(path.name for path in folder.iterdir()) == ["first.pth", "third.pth"]
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert errors[0].startswith("error: not fetched: second (")
    assert "second.published" in errors[0]
    assert "third" not in errors[0]


@pytest.mark.usefixtures("known")
def test_fetch_again_says_that_all_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fetch", "first", "third", f"weights_folder={tmp_path / 'w'}"]
    assert main(words) == EXIT_DONE
    assert "first.pth fetched" in capsys.readouterr().out
    assert main(words) == EXIT_DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("was already there") for line in lines] == [True, True, False]
    assert lines[-1] == f"{tmp_path / 'w'}/: first.pth, third.pth"


@pytest.mark.usefixtures("known")
def test_list_tells_present_missing_and_damaged_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARTOON_DIST_WEIGHTS", str(tmp_path))
    (tmp_path / "first.pth").write_bytes(b"first")
    (tmp_path / "third.pth").write_bytes(b"thirty")
    assert main(["list"]) == EXIT_DONE
    header, *rows, last = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "file", "state", "licence", "source"]
    assert ["present" in rows[0], "missing" in rows[1], "wrong hash" in rows[2]] == [True, True, True]
    assert all("MIT" in row and row.endswith(".published") for row in rows)
    assert last == f"{tmp_path}/: 1 of 3 present"


def test_help_and_unknown_names_in_a_process_of_their_own(tmp_path: Path) -> None:
    told = script("launch/weights.py", "fetch", "--help")
    assert told.returncode == 0
    assert all(name in told.stdout for name in (*pretrained.KNOWN_WEIGHTS, "weights_folder=", "CARTOON_DIST_WEIGHTS"))
    refused = script("launch/weights.py", "fetch", "vgg16", "vgg11", f"weights_folder={tmp_path / 'w'}")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.splitlines() == [
        "error: no weights are known as 'vgg11'; there are vgg19, vgg16, inception, efficientnet_lite0"
    ]
    assert not (tmp_path / "w").exists()
