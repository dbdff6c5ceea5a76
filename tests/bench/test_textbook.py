"""The textbook reaches the weights that our step reaches, so that both do the same work."""

import pytest

from bench.driven import RATE, byte_batch, features, our_method, settings
from bench.textbook import Drawn, Textbook, Weights
from cartoon_dist.cpu import winograd
from cartoon_dist.models.convolution import Convolution
from cartoon_dist.train.engine import Engine
from tests.train.one_step import gan_step

SMALL = ("model.channels=8", "model.num_blocks=2", "loss.content.layer=conv2_2", "precision=fp64")


@pytest.mark.parametrize("drawn", ["detached", "undetached"])
@pytest.mark.parametrize(("fast", "checkpointed"), [(False, False), (True, False), (True, True)])
def test_five_steps_reach_the_same_weights(
    drawn: Drawn, *, fast: bool, checkpointed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "_MIN_TILES", 1 if fast else 10**9)
    monkeypatch.setattr(winograd, "_MIN_WEIGHTS", 1)
    chosen = settings(16, 2, *SMALL, f"model.checkpoint_blocks={checkpointed}")
    engine, seen, batch = Engine(precision="fp64"), features(chosen), byte_batch(chosen)
    method, state = our_method(chosen, engine, seen)
    weights = Weights(content=chosen.loss.content.weight, saliency=chosen.loss.saliency.weight)
    book = Textbook(state.networks, seen, rate=RATE, weights=weights, drawn=drawn)
    assert not any(type(module) is Convolution for module in book.generator.modules())
    assert any(type(module) is Convolution for module in state.networks["generator"].modules())
    before = {name: tensor.clone() for name, tensor in state.networks["generator"].state_dict().items()}
    for _ in range(5):
        read = book.step(engine.to_float(batch))
        output = gan_step(method, engine, state, batch, chosen.loss.content.weight)
        for name, value in read.items():
            assert output.figures[f"loss/{name}"].item() == pytest.approx(value, rel=1e-7)
    moved = [
        float((tensor - before[name]).abs().max()) for name, tensor in method.networks["generator"].state_dict().items()
    ]
    assert max(moved) > RATE
    for name, network in state.networks.items():
        theirs = book.networks[name].state_dict()
        for key, ours in network.state_dict().items():
            # A bias before a norm moves by round-off alone, of which Adam makes full steps; the norm takes it out.
            limit = 1e-6 if key.endswith("bias") else 1e-9
            assert (ours - theirs[key]).abs().max() < limit, (name, key)
