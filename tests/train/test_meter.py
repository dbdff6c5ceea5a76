"""Figures between two reports."""

import pytest
import torch

from cartoon_dist.errors import TrainingError
from cartoon_dist.train.meter import Meter


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
