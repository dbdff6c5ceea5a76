"""The page as text: what it shows, what it says is missing, and that nothing in a run can break out of it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cartoon_dist.console.escape import first_control_character
from cartoon_dist.errors import CheckpointError
from cartoon_dist.report import page as report
from cartoon_dist.runs.layout import RunFolder
from tests.hostile import NAMES
from tests.report.run_folders import make, picture, record, score

SETTINGS = {"run_dir": "runs/x", "image_size": 16, "model": {"channels": 8, "saliency": "ressal"}, "batch_size": 4}


class Seen(HTMLParser):
    """The text of a page outside scripts and styles, its elements' attributes, and whether each is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in ("img", "input", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)


def seen(run: RunFolder) -> Seen:
    return Seen(report.write(run).read_text(encoding="utf-8"))


def test_a_whole_run(tmp_path: Path) -> None:
    lines = [record(step, **{"loss/content": 1 / step, "images_per_second": 2.0}) for step in range(10, 70, 10)]
    run = make(
        tmp_path / "first", settings=SETTINGS, lines=lines, pictures=(0, 1000), ended={"status": 0, "reason": ""},
        scores=[score("fid", 171.2)],
    )  # fmt: skip
    assert report.write(run) == run.root / "report.html"
    page = seen(run)
    for said in (
        "state done", "step 60", "photos seen 240", "time in steps 2 min", "batch 4, fp32", "after step 1,000",
        "2 of 2 drawn are in this page", "the second column against the third", "Loss: content",
        "0.01667 after step 60", "171.2", "image_size 16 256", "model.channels 8 64", "All 5 are in config.yaml",
    ):  # fmt: skip
        assert said in page.text, said
    assert "batch_size 4" not in page.text  # as by default
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(pictures) == 2
    # 16 pixels are shown as at least 192.
    assert {value for tag, name, value in page.attributes if (tag, name) == ("img", "width")} == {str(64 * 12)}
    assert [path.name for path in run.root.iterdir() if path.name.startswith(".")] == []


def test_it_names_no_address_outside_itself(tmp_path: Path) -> None:
    page = seen(make(tmp_path, settings=SETTINGS, lines=[record(1, **{"loss/a": 1.0})], pictures=(0,)))
    loading = [
        value for _, name, value in page.attributes if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert all(value.startswith("data:image/") for value in loading)
    [policy] = [value for tag, name, value in page.attributes if (tag, name) == ("meta", "content") and "-src" in value]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert not re.search(r"https?://|@import|url\(", RunFolder(tmp_path).report.read_text())


def test_an_empty_run_says_what_it_lacks(tmp_path: Path) -> None:
    page = seen(make(tmp_path, settings=SETTINGS))
    for said in (
        "going on, or killed", "none on record", "No sample pictures yet", "No figures yet", "Not scored yet"
    ):  # fmt: skip
        assert said in page.text, said


def test_half_a_run_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    run = make(
        tmp_path, lines=[record(5, **{"loss/a": 0.5}), record(6, **{"loss/a": float("nan")}), '{"step": 7, "lo'],
        pictures=(0, 5), ended={"status": 75, "reason": "signal SIGTERM"},
    )  # fmt: skip
    run.sample(9).write_bytes(run.sample(5).read_bytes()[:99])
    page = seen(run)
    for said in (
        "config.yaml is missing", "1 line is damaged", "loss/a: 0.5 after step 5", "after step 5",
        "No whole picture, left out: step-0000009.png", "2 of 3 drawn", "stopped on request (signal SIGTERM)",
    ):  # fmt: skip
        assert said in page.text, said


def test_nothing_in_a_run_breaks_out(tmp_path: Path) -> None:
    evil = "</script><script>alert('&')</script><img src=x onerror=alert(1)>\""
    run = make(
        tmp_path / "<b>&\"'", settings={"run_dir": evil, evil: evil, "weights": [evil]},
        lines=[record(1, **{f"loss/{evil}": 1.0, "phase": evil, "epoch": evil})], pictures=(0,),
        scores=[score(evil, 1.0, subject=evil, weights=evil)], ended={"status": evil, "reason": evil},
    )  # fmt: skip
    page = seen(run)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert [value for tag, name, value in page.attributes if (tag, name) == ("img", "src") and value == "x"] == []
    assert page.text.count(" ".join(evil.split())) >= 6
    assert page.text.startswith("<b>&\"': report")


@pytest.mark.parametrize("name", NAMES)
def test_no_text_steers_the_page(tmp_path: Path, name: str) -> None:
    run = make(
        tmp_path / name, settings={"run_dir": name}, scores=[score(name, 1.0, subject=name)],
        lines=[record(1, **{f"loss/{name}": 1.0, "phase": name})], ended={"status": 1, "reason": name},
    )  # fmt: skip
    for line in report.write(run).read_text(encoding="utf-8").splitlines():
        assert first_control_character(line) == ""


@pytest.mark.parametrize(
    ("exit_record", "said"),
    [
        ({"status": 0, "reason": ""}, "done"),
        ({"status": 75, "reason": "max_hours"}, "stopped on request (max_hours); the same command goes on"),
        ({"status": 2, "reason": "loss is nan"}, "broke off with status 2: loss is nan"),
        ({"status": 1}, "broke off with status 1: no reason given"),
        ({}, "going on, or killed: it has not said how it ended"),
    ],
)
def test_how_a_run_ended(exit_record: dict[str, object], said: str) -> None:
    assert report.exit_state(exit_record) == said


def test_without_a_saliency_network_there_is_no_predicted_column(tmp_path: Path) -> None:
    page = seen(make(tmp_path, settings={"model": {"saliency": "none"}, "weights": "raw"}, pictures=(0,)))
    assert "the photo, its saliency label, G's drawing (the weights as they are)." in page.text
    assert "predicts" not in page.text


def test_many_large_pictures_stay_some_megabytes(tmp_path: Path) -> None:
    run = make(tmp_path, settings={"image_size": 256})
    for step in range(40):
        picture(run.sample(step), step, height=270, width=1024)  # noise: nothing compresses worse
    page = seen(run)
    assert "Compressed as JPEG" in page.text
    assert run.report.stat().st_size < 9_000_000
    steps = [int(value) for _, name, value in page.attributes if name == "data-step"]
    assert (steps[0], steps[-1]) == (0, 39)
    assert f"{len(steps)} of 40 drawn" in page.text
    assert {value for tag, name, value in page.attributes if (tag, name) == ("img", "width")} == {"1024"}


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no run folder"):
        report.write(RunFolder(tmp_path))
    with pytest.raises(CheckpointError, match="no such run folder"):
        report.write(RunFolder(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    run = make(tmp_path, settings=SETTINGS)
    run.report.mkdir()
    with pytest.raises(OSError):
        report.write(run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "report.html"]
