"""The arithmetic of the ratios, the file they are added to, and the table they are shown in."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.ratios import Measured, publish, record, summarise, table, time_in_turn

PAIRS = [(1.0, 4.0), (3.0, 4.0), (2.0, 4.0)]


def measured(*, goal: float, better: str = "lower") -> Measured:
    return summarise(PAIRS, name="made", goal=goal, better=better, against="a made one")


def test_median_and_extremes_are_those_of_the_pairs() -> None:
    ratio = measured(goal=0.6)
    assert (ratio.ratio, ratio.low, ratio.high, ratio.runs) == (0.5, 0.25, 0.75, 3)


def test_each_pair_is_divided_by_its_own_other_half() -> None:
    ratio = summarise([(1.0, 2.0), (10.0, 20.0)], name="made", goal=1, better="lower", against="a made one")
    assert ratio.low == ratio.high == 0.5


@pytest.mark.parametrize(
    ("better", "goal", "reached"),
    [("lower", 0.5, True), ("lower", 0.4, False), ("higher", 0.5, True), ("higher", 0.6, False)],
)
def test_a_goal_has_a_good_side(better: str, goal: float, *, reached: bool) -> None:
    assert measured(goal=goal, better=better).reached is reached
    assert ("MISSED" in table([measured(goal=goal, better=better)])) is not reached


def test_records_are_added_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "bench.jsonl"
    record(measured(goal=0.6), file)
    record(measured(goal=0.4), file)
    first, second = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    assert list(first) == ["name", "ratio", "low", "high", "goal", "better", "runs", "against"]
    assert first == {
        "name": "made",
        "ratio": 0.5,
        "low": 0.25,
        "high": 0.75,
        "goal": 0.6,
        "better": "lower",
        "runs": 3,
        "against": "a made one",
    }
    assert second["goal"] == 0.4


def test_ours_and_theirs_are_called_once_each_in_this_order() -> None:
    called: list[str] = []
    ours, theirs = time_in_turn(lambda: called.append("ours"), lambda: called.append("theirs"))
    assert called == ["ours", "theirs"]
    assert ours > 0
    assert theirs > 0


def test_what_was_measured_before_a_failure_is_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.jsonl"
    in_the_file: list[int] = []

    def results() -> Iterator[Measured]:
        for goal in (0.6, 0.4):
            yield measured(goal=goal)
            in_the_file.append(len(file.read_text(encoding="utf-8").splitlines()))
        raise RuntimeError("the third fails")

    with pytest.raises(RuntimeError, match="the third fails"):
        publish(results(), file)
    assert in_the_file == [1, 2]  # a process killed here would leave as many
    assert [json.loads(line)["goal"] for line in file.read_text(encoding="utf-8").splitlines()] == [0.6, 0.4]
    assert capsys.readouterr().out.count("a made one") == 2
