"""Warnings: said when something lasts, once, and again only after it has passed."""

from cartoon_dist.config.train import WarningSettings
from cartoon_dist.train.training_warnings import TrainingWarnings


def figures(
    content: float = 1.0, adversarial: float = 1.0, real: float = 0.6, generated: float = 0.4
) -> dict[str, float]:
    losses = {"loss/content": content, "loss/adversarial_g": adversarial}
    return losses | {"d/real": real, "d/generated": generated, "d/smoothed": 0.5}


WEIGHTS = {"content": 0.5, "adversarial_g": 1.0}


def said(watch: TrainingWarnings, **values: float) -> list[str]:
    return watch.check(figures(**values), WEIGHTS, 50)


def test_a_dominating_term_is_named_after_its_steps_and_once() -> None:
    watch = TrainingWarnings(WarningSettings(dominance=10, dominance_steps=100))
    assert said(watch, content=21.0) == []
    [warning] = said(watch, content=21.0)
    assert "lower loss.content.weight" in warning
    assert said(watch, content=21.0) == []
    assert said(watch, content=19.0) == []
    assert said(watch, content=21.0) == []
    assert len(said(watch, content=21.0)) == 1


def test_just_below_the_limit_is_fine() -> None:
    watch = TrainingWarnings(WarningSettings(dominance=10, dominance_steps=50))
    assert said(watch, content=19.9) == []
    assert len(said(watch, content=20.1)) == 1


def test_the_discriminator_has_won_or_lost() -> None:
    watch = TrainingWarnings(WarningSettings(judged_steps=100, won=0.9, lost=0.05))
    said(watch, real=1.0, generated=0.0)
    assert any("has won" in warning for warning in said(watch, real=1.0, generated=0.0))
    said(watch, real=0.5, generated=0.49)
    assert any("has lost" in warning for warning in said(watch, real=0.5, generated=0.49))
    assert said(watch, real=0.8, generated=0.3) == []


def test_a_single_term_cannot_dominate() -> None:
    watch = TrainingWarnings(WarningSettings(dominance_steps=1))
    assert watch.check({"loss/pixel": 5.0}, {"pixel": 1.0}, 100) == []
