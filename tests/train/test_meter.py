"""Figures between two reports."""

import json

import pytest
import torch

from cartoon_dist.errors import TrainingError
from cartoon_dist.train.meter import MAX_SKIPPED, Meter


def filled(*values: float) -> Meter:
    meter = Meter()
    for step, value in enumerate(values, 10):
        meter.add(step, {"loss/content": torch.tensor(value), "d/real": torch.tensor(2.0)})
    return meter


def test_a_report_is_the_mean_and_begins_anew() -> None:
    meter = filled(1.0, 2.0, 6.0)
    assert meter.report() == {"loss/content": 3.0, "d/real": 2.0}
    assert meter.report() == {}


def test_an_interval_cut_in_two_reports_the_same() -> None:
    whole = filled(1.0, 0.1, 6.0)
    first = filled(1.0, 0.1)
    second = Meter()
    second.resume(first.pending())
    second.add(12, {"loss/content": torch.tensor(6.0), "d/real": torch.tensor(2.0)})
    assert second.report() == whole.report()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_figure_that_is_not_finite_names_itself_and_its_step(value: float) -> None:
    for ask in (Meter.report, Meter.pending):
        with pytest.raises(TrainingError, match=r"loss/content is .* at step 11"):
            ask(filled(1.0, value, 3.0))


def with_skipped(*steps: tuple[float, float]) -> Meter:
    meter = Meter()
    for step, (norm, skipped) in enumerate(steps, 10):
        meter.add(step, {"norm/generator": torch.tensor(norm), "skipped/generator": torch.tensor(skipped)})
    return meter


def test_a_step_that_a_scaler_left_out_is_no_failure_and_no_part_of_the_means() -> None:
    report = with_skipped((2.0, 0.0), (float("inf"), 1.0), (float("nan"), 1.0), (4.0, 0.0)).report()
    assert report == {"norm/generator": 3.0, "skipped/generator": 0.5}


def test_a_figure_without_a_finite_value_is_left_out() -> None:
    assert with_skipped((float("inf"), 1.0)).report() == {"skipped/generator": 1.0}


def test_a_figure_that_is_not_finite_fails_in_steps_that_were_not_left_out() -> None:
    with pytest.raises(TrainingError, match="norm/generator is inf at step 11"):
        with_skipped((float("inf"), 1.0), (float("inf"), 0.0)).report()


def test_an_interval_with_a_step_left_out_goes_through_a_checkpoints_json() -> None:
    first = with_skipped((2.0, 0.0), (float("inf"), 1.0))
    held = json.loads(json.dumps(first.pending(), allow_nan=False))
    again = Meter()
    again.resume(held)
    assert again.report() == first.report() == {"norm/generator": 2.0, "skipped/generator": 0.5}


def test_a_run_whose_every_step_is_left_out_ends_by_name() -> None:
    meter = Meter()
    for step in range(MAX_SKIPPED - 1):
        meter.add(step, {"skipped/discriminator": torch.tensor(1.0)})
    assert meter.report() == {"skipped/discriminator": 1.0}
    meter.add(MAX_SKIPPED - 1, {"skipped/discriminator": torch.tensor(1.0)})
    with pytest.raises(TrainingError, match=r"the discriminator's gradients overflowed in fp16 .* use precision=bf16"):
        meter.report()


def test_one_good_step_is_enough_to_go_on() -> None:
    meter = Meter()
    for step in range(3 * MAX_SKIPPED):
        meter.add(step, {"skipped/discriminator": torch.tensor(float(step % MAX_SKIPPED > 0))})
    assert meter.report()["skipped/discriminator"] == pytest.approx(1 - 1 / MAX_SKIPPED)
