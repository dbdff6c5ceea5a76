"""A run that begins with another's weights (`init_from`)."""

from pathlib import Path

from cartoon_dist.console.messages import print_message
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import initial_weights
from cartoon_dist.runs.initial_weights import InitialWeights
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.load_tensors import load_tensors
from cartoon_dist.train.check_replicas import require_equal_replicas
from cartoon_dist.train.state import TrainState

_IN_WORDS = {"ema": "running average"}


def load_initial_weights(place: Path, state: TrainState, run: RunFolder) -> None:
    """Fill the state's networks and running average with the weights of a run, a checkpoint or an export, and say what
    was taken. CheckpointError on all processes when they are not of these networks, or cannot be read.

    All else begins as in any run: the optimizers, the step, the random state and the schedule.
    """
    # One process looks: another might find a newer checkpoint of a run that is going on.
    [(source, fault), *_] = collectives.all_gather(_located(place) if collectives.is_main_process() else (None, ""))
    weights = None
    if source is not None:
        try:
            weights = initial_weights.read(source)
            _fill(weights, state)
        except CheckpointError as error:
            fault = str(error)
    faults = [each for each in collectives.all_gather(fault) if each]
    if faults or weights is None:
        raise CheckpointError(faults[0])
    if collectives.world_size() > 1:
        require_equal_replicas(state)
    names = ", ".join(_IN_WORDS.get(name, name) for name in (*state.networks, "ema") if name in weights.tensors)
    missing = "".join(f"; the {name} begins from the seed" for name in state.networks if name not in weights.tensors)
    print_message(
        f"{run.root}: begins with the weights of {weights.source} (step {weights.step}): {names}{missing}; "
        "anew begin the optimizers, the random state and the schedule, from step 0"
    )


def _located(place: Path) -> tuple[Path | None, str]:
    try:
        return initial_weights.locate(place), ""
    except CheckpointError as error:
        return None, str(error)


def _fill(weights: InitialWeights, state: TrainState) -> None:
    for name, network in {**state.networks, "ema": state.ema}.items():
        if name in weights.tensors:
            load_tensors(network, weights.tensors[name], f"init_from: {weights.source}: {name}")
    state.generation += 1
