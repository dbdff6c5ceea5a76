"""AnimeGAN's step, whose spectral norms are state too: recorded and replayed beside the plain one, to the bit."""

from collections.abc import Iterator

import pytest

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.train.loop import TrainingStep
from tests.capture.capturing import PLAIN, WORDS, capture, differing, recorded_faster, run_step, train, training_step
from tests.running import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _recorded_faster() -> Iterator[None]:
    with recorded_faster():
        yield


def settings(*words: str) -> TrainSettings:
    return read(TrainSettings, [ROOT / "configs/baseline/animegan.yaml"], [*WORDS, *words], run_dir="none")


@pytest.mark.parametrize(
    ("mode", "precision", "num_parts"),
    [("generator", "fp32", 1), ("generator", "bf16", 2), ("iteration", "fp32", 2), ("iteration", "bf16", 1)],
)
def test_a_replayed_step_is_the_plain_one_to_the_bit(mode: str, precision: str, num_parts: int) -> None:
    small = settings(f"precision={precision}", f"accumulate={num_parts}")
    plain, recorded = training_step(small, PLAIN), training_step(small, capture(mode))
    assert train(recorded, 12, num_warmup=4) == train(plain, 12, num_warmup=4)
    assert differing(plain, recorded) == []
    assert any(name.endswith(".u") for name in plain.state.tensors()["discriminator"])


def test_recording_puts_the_norms_back_and_a_load_is_recorded_anew() -> None:
    small = settings()
    plain, recorded = training_step(small, PLAIN), training_step(small, capture("generator"))
    for made in (plain, recorded):
        for number in range(5):
            run_step(made, number)
    assert differing(plain, recorded) == []
    for made in (plain, recorded):
        saved = {kind: {n: t.clone() for n, t in named.items()} for kind, named in made.state.tensors().items()}
        for number in range(5, 8):
            run_step(made, number)
        made.state.load(5, saved)
        for number in range(8, 13):
            run_step(made, number)
    assert differing(plain, recorded) == []


def test_a_norm_that_was_replaced_by_another_tensor_shows() -> None:
    """What torch's own would do if it did not write in place: the graph goes on with the vector of its recording."""

    def replaces(made: TrainingStep) -> None:
        network = made.state.networks["discriminator"]

        def follow(_network: object) -> None:
            layer = network.get_submodule("layers.3.conv")
            layer.u = layer.u.roll(1)  # type: ignore[assignment]

        made.method.before_update["discriminator"] = follow

    small = settings()
    plain, recorded = training_step(small, PLAIN, replaces), training_step(small, capture("iteration"), replaces)
    for number in range(6):
        for made in (plain, recorded):
            run_step(made, number)
    assert differing(plain, recorded)
