"""Which setting a wrong name is answered with."""

import pytest

from cartoon_dist.config.commands import DryRunSettings
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.config.validation_errors import did_you_mean, setting_paths

PATHS = [*setting_paths(TrainSettings), *setting_paths(DryRunSettings)]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("batchsize", "batch_size"),
        ("batch-size", "batch_size"),
        ("BatchSize", "batch_size"),
        ("BATCH_SIZE", "batch_size"),
        ("data.batchsize", "batch_size"),
        ("score.batchsize", "score.batch_size"),
        ("learningrate", "warmup.learning_rate"),
        ("max_step", "max_steps"),
        ("content.weight", "loss.content.weight"),
    ],
)
def test_the_nearest_setting(typed: str, meant: str) -> None:
    assert did_you_mean(typed, PATHS) == f", did you mean {meant}?"


@pytest.mark.parametrize("typed", ["x", "", "-", "_", "nothing_like_it"])
def test_none_is_near(typed: str) -> None:
    assert did_you_mean(typed, PATHS) == ""
