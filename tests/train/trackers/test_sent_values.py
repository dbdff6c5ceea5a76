"""What of a run folder is sent to trackers."""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import AfterValidator

from cartoon_dist.config.fields import expand_path
from cartoon_dist.config.reading import check
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.files.json_yaml import ParseError
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.trackers.sent_values import (
    PLACES,
    MetricsReader,
    figures_of,
    new_pictures,
    new_scores,
    settings_to_send,
)


def test_every_setting_that_is_a_path_is_sent_as_a_bare_name() -> None:
    assert set(_paths(TrainSettings)) == PLACES


def _paths(kind: Any, prefix: str = "") -> list[str]:
    """The dotted names of the settings that hold a path: those that are expanded as one."""
    found = []
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            found += _paths(hint, f"{prefix}{field.name}.")
        elif any(AfterValidator(expand_path) in getattr(each, "__metadata__", ()) for each in (hint, *get_args(hint))):
            found.append(f"{prefix}{field.name}")
    return found


@pytest.mark.parametrize(
    ("place", "sent"),
    [
        ("/home/somebody/shards/photos", "photos"),
        ("runs/shards/photos/", "photos"),
        ("s3://bucket/private/photos", "photos"),
        ("https://host/a/photos", "photos"),
    ],
)
def test_a_folder_is_sent_as_its_last_part(place: str, sent: str) -> None:
    settings = check(TrainSettings, {"run_dir": "/scratch/somebody/first", "data": {"photos": place}})
    values = settings_to_send(settings)
    assert values["data.photos"] == sent
    assert values["run_dir"] == "first"
    assert values["init_from"] is None
    assert values["optimizer.betas"] == [0.5, 0.999]
    assert not [value for value in values.values() if "somebody" in str(value)]


def test_a_query_of_an_address_is_not_sent() -> None:
    settings = check(TrainSettings, {"run_dir": "x", "init_from": "https://me:pass@host/runs/old?token=secret#part"})
    assert settings_to_send(settings)["init_from"] == "old"


def test_records_are_read_once_and_whole(tmp_path: Path) -> None:
    reader = MetricsReader(tmp_path / "metrics.jsonl")
    assert reader.new_records() == []
    reader.path.write_text('{"step": 1, "a": 2}\n{"step": 2')
    assert reader.new_records() == [{"step": 1, "a": 2}]
    with reader.path.open("a") as file:
        file.write('}\nno record\n{"other": 1}\n\n{"step": 3}\n')
    assert reader.new_records() == [{"step": 2}, {"step": 3}]
    assert reader.new_records() == []


def test_figures_are_the_numbers_of_a_record() -> None:
    record = {"step": 4, "phase": "gan", "epoch": 0.5, "images": 16, "loss/content": 0.25, "odd": True, "none": None}
    assert figures_of(record) == {"epoch": 0.5, "images": 16, "loss/content": 0.25}


def test_pictures_come_in_order_and_others_are_left_alone(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert new_pictures(run, -1) == []
    run.sample(0).parent.mkdir()
    names = [
        "step-0000010.png",
        "step-0000002.png",
        "step-0000000.png",
        ".step-0000003.png.tmp",
        "step-1.png",
        "me.png",
    ]
    for name in names:
        (tmp_path / "samples" / name).touch()
    assert [step for step, _ in new_pictures(run, -1)] == [0, 2, 10]
    assert new_pictures(run, 2) == [(10, run.sample(10))]


def test_scores_are_named_by_how_they_were_made(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert list(new_scores(run, [])) == []
    made = {"weights": "raw", "photos": {"split": "train"}}
    scores = [
        {"metric": "fid", "value": 171, "step": 9, "protocol": made},
        {"metric": "kid", "value": 0.5, "step": 9, "protocol": {}},
        {"metric": "kid", "value": None, "step": 9, "protocol": made},
        {"value": 1.0, "step": 9},
    ]
    run.scores.write_text(json.dumps([*scores, "no score"]))
    found = list(new_scores(run, []))
    assert [(step, values) for _, step, values in found] == [
        (9, {"score/fid/raw/train": 171.0}),
        (9, {"score/kid": 0.5}),
    ]
    assert [values for *_, values in new_scores(run, [found[0][0]])] == [{"score/kid": 0.5}]


@pytest.mark.parametrize("content", ["{", '{"metric": "fid"}', "3"])
def test_damaged_scores_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(ParseError):
        list(new_scores(RunFolder(tmp_path), []))
