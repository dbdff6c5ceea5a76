"""What is read of a run folder, whole or not."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartoon_dist.report import run_summary
from cartoon_dist.report.run_summary import summarize_run
from cartoon_dist.runs.layout import RunFolder
from tests.report.run_folders import make, picture, record, score


def test_records_by_their_columns() -> None:
    lines = [record(10, phase="warmup", a=1.5), record(20, a=float("nan"), b=2), record(30, a="high", b=True)]
    summary = run_summary.parse_records("\n".join(lines).encode())
    assert summary.steps.tolist() == [10, 20, 30]
    assert summary.series("a").values.tolist() == pytest.approx([1.5, math.nan, math.nan], nan_ok=True)
    assert summary.series("b").values.tolist() == pytest.approx([math.nan, 2, math.nan], nan_ok=True)
    assert summary.warmup_steps() == 10
    assert summary.num_damaged == 0
    named = run_summary.parse_records(
        "\n".join([record(1, **{"loss/b": 1}), record(2, **{"loss/a": 1, "lr/a": 1})]).encode()
    )
    assert named.names("loss/") == ["loss/b", "loss/a"]


def test_a_step_written_twice_counts_once_and_steps_are_put_in_order() -> None:
    summary = run_summary.parse_records("\n".join([record(2, a=1), record(1, a=5), "", record(2, a=3)]).encode())
    assert summary.steps.tolist() == [1, 2]
    assert summary.series("a").values.tolist() == [5, 3]


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 3, "lo',
        "[]",
        "3",
        "null",
        '{"a": 1}',
        '{"step": "x"}',
        '{"step": -1}',
        '{"step": true}',
        "\0",
        "[" * 9999,
    ],
)
def test_a_damaged_line_is_left_out_and_counted(line: str) -> None:
    summary = run_summary.parse_records("\n".join([record(1), line, record(2)]).encode())
    assert summary.steps.tolist() == [1, 2]
    assert summary.num_damaged == 1


@given(st.text(max_size=200))
def test_no_text_is_too_strange_for_records(text: str) -> None:
    assert run_summary.parse_records(text.encode(errors="surrogatepass")).num_damaged <= len(text.splitlines())


def test_sample_pictures_by_step(tmp_path: Path) -> None:
    run = make(tmp_path / "run", pictures=(100, 0, 20))
    for name in ("step-x.png", "other.png", "step-0000003.png.tmp", ".step-0000004.png.7.tmp"):
        (run.root / "samples" / name).touch()
    assert [step for step, _ in run_summary.sample_pictures(run)] == [0, 20, 100]
    assert run_summary.sample_pictures(RunFolder(tmp_path / "none")) == []


def test_an_empty_folder_says_what_it_lacks(tmp_path: Path) -> None:
    summary = summarize_run(make(tmp_path))
    assert (summary.settings, summary.exit_record, summary.scores, summary.pictures, summary.sample_counts) == (
        {},
        {},
        [],
        [],
        {},
    )
    assert summary.notes == ["config.yaml is missing: the settings are not known"]
    assert summary.setting("image_size") == 256  # the default


def test_damaged_pieces_are_named_and_the_others_read(tmp_path: Path) -> None:
    run = make(tmp_path, lines=[record(1), '{"step":'])
    run.config.write_text("a: [")
    run.exit.write_text("{")
    run.scores.write_text("{}")
    run.tensorboard.touch()
    summary = summarize_run(run)
    said = " | ".join(summary.notes)
    for piece in ("config.yaml is damaged", "metrics.jsonl: 1 line is damaged", "exit.json is damaged"):
        assert piece in said
    run.scores.write_text("[1]")
    assert any("scores" in note for note in summarize_run(run).notes)
    assert summary.records.steps.tolist() == [1]


def test_pieces_that_are_folders_are_no_reason_to_stop(tmp_path: Path) -> None:
    run = make(tmp_path)
    for path in (run.config, run.metrics, run.exit, run.scores, run.sample(3)):
        path.mkdir(parents=True)
    summary = summarize_run(run)
    assert len(summary.notes) == 4
    assert [step for step, _ in summary.pictures] == [3]


def test_runs_inside_the_run_bring_their_scores(tmp_path: Path) -> None:
    run = make(tmp_path, settings={"run_dir": "r"}, scores=[score("fid", 3.0)])
    make(tmp_path / "control", settings={"run_dir": "c"}, scores=[score("fid", 4.0)])
    make(tmp_path / "unscored", settings={"run_dir": "u"})
    make(tmp_path / "no-run", scores=[score("fid", 5.0)])
    assert [(folder.label, [one["value"] for one in folder.scores]) for folder in summarize_run(run).scores] == [
        ("", [3.0]), ("control", [4.0])
    ]  # fmt: skip


def test_samples_are_counted_where_the_shards_are_those_trained_on(tmp_path: Path, shards: Path) -> None:
    data = {"photos": str(shards / "photos"), "cartoons": str(shards / "cartoons")}
    run = make(tmp_path / "run", settings={"data": data})
    shards_listed = json.loads((shards / "photos/manifest.json").read_text())["shards"]
    train, test = (sum(shard[f"num_{split}"] for shard in shards_listed) for split in ("train", "test"))
    assert summarize_run(run).sample_counts["photos"] == f"{train} to train on, {test} held out"
    checkpoint = run.checkpoint(20)
    checkpoint.mkdir()
    (checkpoint / "manifest.json").write_text(json.dumps({"data": {"photos": "other shards"}}))
    assert list(summarize_run(run).sample_counts) == ["cartoons"]
    (checkpoint / "manifest.json").write_text("{")
    assert list(summarize_run(run).sample_counts) == ["photos", "cartoons"]


def test_a_sample_picture_is_summary_by_the_name_it_is_given(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    picture(run.sample(12_345_678), 0)
    assert run_summary.sample_pictures(run) == [(12_345_678, run.sample(12_345_678))]
