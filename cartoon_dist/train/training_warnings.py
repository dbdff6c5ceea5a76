"""Warnings a user can act on, from the figures of the reports."""

from collections.abc import Mapping

from cartoon_dist.config.train import WarningSettings


class TrainingWarnings:
    """Counts for how many steps in a row something looked wrong, and says each thing once until it has passed."""

    def __init__(self, settings: WarningSettings) -> None:
        self.settings = settings
        self.lasting: dict[str, int] = {}

    def check(self, figures: Mapping[str, float], weights: Mapping[str, float], num_steps: int) -> list[str]:
        """Warnings of an interval of `num_steps` steps with these mean figures.

        weights: the weight of each term of the generator's loss, by the term's name.
        """
        # A loss has no figure where fp16 overflowed in each step of the interval.
        terms = {name: weight for name, weight in weights.items() if f"loss/{name}" in figures}
        weighted = {name: weight * figures[f"loss/{name}"] for name, weight in terms.items()}
        warnings = [self._dominance(weighted, num_steps), *self._discriminator(figures, num_steps)]
        return [warning for warning in warnings if warning]

    def _dominance(self, weighted: Mapping[str, float], num_steps: int) -> str | None:
        """One weighted term so far above all the others together that they do not count."""
        largest = max(weighted, key=lambda name: weighted[name], default="")
        others = sum(value for name, value in weighted.items() if name != largest)
        dominant = len(weighted) > 1 and weighted[largest] > self.settings.dominance * others
        for name in weighted:
            limit = self.settings.dominance_steps
            if self._lasts(f"dominance of {name}", dominant and name == largest, num_steps, limit):
                return _DOMINANCE.get(name, _OTHER_DOMINANCE).format(
                    name=name, times=weighted[name] / max(others, 1e-12)
                )
        return None

    def _discriminator(self, figures: Mapping[str, float], num_steps: int) -> list[str | None]:
        """D can tell real from generated always, or not at all."""
        if "d/real" not in figures or "d/generated" not in figures:
            return []
        gap = figures["d/real"] - figures["d/generated"]
        limit = self.settings.judged_steps
        won = self._lasts("won", gap > self.settings.won, num_steps, limit)
        lost = self._lasts("lost", abs(gap) < self.settings.lost, num_steps, limit)
        means = f"D(real) {figures['d/real']:.2f}, D(generated) {figures['d/generated']:.2f}"
        return [
            f"the discriminator has won ({means}): G learns little from it; lower optimizer.discriminator"
            if won
            else None,
            f"the discriminator has lost ({means}): it cannot tell cartoons from G's; raise optimizer.discriminator"
            if lost
            else None,
        ]

    def _lasts(self, what: str, holds: bool, num_steps: int, limit: int) -> bool:  # noqa: FBT001
        """Whether `what` has just now held for `limit` steps in a row."""
        before = self.lasting.get(what, 0)
        self.lasting[what] = before + num_steps if holds else 0
        return before < limit <= self.lasting[what]


_DOMINANCE = {
    "content": "the weighted content loss is {times:.0f} times all others together: the style will be weak; "
    "lower loss.content.weight",
    "saliency": "the weighted saliency loss is {times:.0f} times all others together: the style will be weak; "
    "lower loss.saliency.weight",
    "adversarial_g": "the adversarial loss is {times:.0f} times all others together: the photo may get lost; "
    "raise loss.content.weight",
}
_OTHER_DOMINANCE = "the weighted {name} loss is {times:.0f} times all others together; lower its weight"
