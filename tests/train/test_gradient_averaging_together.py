"""Averages that begin in the backward of two real processes are those of its end, to the bit."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.running import ROOT, helper

pytestmark = pytest.mark.slow
SCRIPT = ROOT / "tests/train/averaging_together.py"

LACKING = "2 weights have no gradient, 1.weight first: no loss reaches them"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each process found, by case."""
    folder = tmp_path_factory.mktemp("together")
    done = helper(SCRIPT, folder, num_processes=2)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("case", ["fp32", "fp64", "parts", "checkpointed", "channels_last", "scaled"])
def test_it_trains_as_the_average_at_the_end_does(found: list[dict[str, Any]], case: str) -> None:
    for of_process in found:
        held = of_process[case]
        assert held["differing"] == held["strides"] == []
        assert not held["figures_differ"]
        assert held["moved"] > 50  # it trained
        after, within = held["early"]
        # Until the last convolution's backward of the last step all was sent but the last buckets.
        assert held["sent"][0] == held["sent"][1] > 20
        assert within > after


def test_where_a_scaled_gradient_overflows_on_one_the_step_is_left_out_on_both(found: list[dict[str, Any]]) -> None:
    assert [of_process["scaled"]["skipped"] for of_process in found] == [[0.0, 1.0, 0.0, 0.0]] * 2


def test_a_step_that_was_abandoned_on_both_leaves_no_trace(found: list[dict[str, Any]]) -> None:
    assert [of_process["abandoned"]["differing"] for of_process in found] == [[], []]


def test_a_weight_that_no_loss_reaches_is_named_on_both(found: list[dict[str, Any]]) -> None:
    for of_process in found:
        assert of_process["nowhere"]["error"] == LACKING


def test_where_one_process_lacks_a_gradient_it_names_it_and_the_other_does_not_wait_on(tmp_path: Path) -> None:
    done = helper(SCRIPT, tmp_path, "lacking", num_processes=2)
    assert done.returncode == 0, done.stderr
    one, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert other == f"RuntimeError: {LACKING}"
    assert "onnection closed" in one or "eer" in one, one
