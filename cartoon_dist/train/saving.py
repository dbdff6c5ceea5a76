"""Between the training state and its checkpoints: what is written, and how a run goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.messages import print_message
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import CheckpointError, TrainingError
from cartoon_dist.runs import checkpoint, retention
from cartoon_dist.runs.layout import RunFolder, config_text
from cartoon_dist.runs.load_tensors import first_non_finite
from cartoon_dist.train import random_state
from cartoon_dist.train.background_writer import BackgroundWriter
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.meter import Meter
from cartoon_dist.train.state import TrainState, copy_to_host

_PACKAGES = ("cartoon-dist", "torch", "torchvision", "accelerate", "numpy")
_RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class Saver:
    """Writes and resumes checkpoints of one run; leaving its `with` block waits until the last one is on the disk.

    Rank 0 copies the state to host memory and a thread writes it while training goes on, one checkpoint at a time. What
    the thread fails with is raised on all processes by the next `save`, or by leaving the block.

    data: a fingerprint of each domain's samples; a run goes on only with the samples it began with.
    best: which of some steps has the best score.
    warmup_steps: how many steps of the run are its warm-up.
    """

    run: RunFolder
    settings: TrainSettings
    engine: Engine
    data: dict[str, str]
    best: retention.BestStep
    warmup_steps: int = 0
    writer: BackgroundWriter = field(default_factory=BackgroundWriter)
    whole: set[int] = field(default_factory=set)
    # Looked up once: it reads files, and nothing but the copy is to hold up a step.
    versions: dict[str, str] = field(default_factory=lambda: {package: version(package) for package in _PACKAGES})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self.writer.wait()
        self.writer.close()
        if error is None:
            _agree(failure, None)
        elif failure is not None:
            # The others may not be here, so there is no agreeing, and training's own error is the one to show.
            print_message(f"warning: {failure}")

    def save(self, state: TrainState, meter: Meter) -> None:
        """Copy the state and begin to write it; raises on all processes, and writes nothing, TrainingError when a
        figure or a weight is not finite, CheckpointError when the checkpoint before this one could not be written.

        Waits for the devices, the other processes, and the writing of the checkpoint before it.
        """
        pending = meter.pending()
        states = _agree(self.writer.wait(), random_state.read_states(self.engine.device))
        gathered = self.engine.gathered()
        _require_finite(state, gathered)
        if collectives.is_main_process():
            step = state.step
            tensors = copy_to_host(state.tensors() | gathered | {_RANDOM: random_state.by_stored_name(states)})
            facts = {
                "seed": self.settings.seed,
                "images": step * self.settings.batch_size,
                "world_size": collectives.world_size(),
                "versions": self.versions,
                "data": self.data,
                "scalers": self.engine.scaler_states(),
                "pending": pending,
            }
            if step <= self.warmup_steps:
                facts["phase"] = "warmup"  # commands that draw with it warn that it only copies photos
            self.writer.start(lambda: self._write(step, tensors, facts))

    def resume(self, state: TrainState, meter: Meter) -> Path | None:
        """Take up the newest whole checkpoint, or begin where there is none; CheckpointError on all processes when none
        is whole, or it is of other networks, settings or samples."""
        # One process looks and tells: another might see the folder at another moment.
        [(newest, fault), *_] = collectives.all_gather(self._newest() if collectives.is_main_process() else (None, ""))
        if fault:
            raise CheckpointError(fault)
        if newest is None:
            random_state.seed_generators(seed=self.settings.seed, step=state.step, rank=collectives.rank())
            return None
        facts = checkpoint.read_manifest(newest)
        changed = [name for name, fingerprint in self.data.items() if facts["data"].get(name) != fingerprint]
        if changed:
            raise CheckpointError(
                f"{newest}: was trained on other {' and '.join(changed)}; give these shards as data.{changed[0]}=, "
                "or train into another run_dir"
            )
        # Else somebody put it there to begin from, with all of its state: a demo's control does. A run with `init_from`
        # takes another's weights alone, and begins at step 0.
        if self.run.config.exists():
            self.run.check_same(self.settings, checkpoint.config_path(newest))
        tensors = checkpoint.load(newest)
        state.load(facts["step"], tensors, source=f"{newest}: ")
        self.engine.load_scaler_states(facts["scalers"])
        meter.resume(facts["pending"])
        self._restore_random_states(newest, tensors.get(_RANDOM, {}), facts["world_size"], state.step)
        self.whole.add(facts["step"])
        return newest

    def _write(self, step: int, tensors: checkpoint.TensorFiles, facts: Mapping[str, Any]) -> None:
        """On rank 0's thread."""
        checkpoint.save(self.run, step, tensors, facts, config=config_text(self.settings))
        self.whole.add(step)
        try:
            retention.prune(self.run, self.settings.checkpoint, best=self.best, intact=self.whole)
        except CheckpointError as error:
            print_message(f"warning: {error}; until it can, old checkpoints stay")

    def _newest(self) -> tuple[Path | None, str]:
        """The checkpoint to go on from, and why a run cannot go on."""
        checkpoint.remove_leftovers(self.run)
        newest, faults = checkpoint.newest(self.run)
        for fault in faults:
            print_message(f"warning: {fault}; passed over")
        if faults and newest is None:
            return None, f"{self.run.root}: no checkpoint is whole ({faults[0]}); restore one or remove them all"
        return newest, ""

    def _restore_random_states(self, folder: Path, stored: Mapping[str, Tensor], num_processes: int, step: int) -> None:
        device, num = self.engine.device, collectives.world_size()
        states = random_state.states_of_rank(stored, collectives.rank())
        if num_processes == num and device.type in states:
            random_state.restore_states(states, device)
        else:
            why = f"is that of other processes ({num_processes}) or devices" if stored else "is not in it"
            print_message(
                f"{folder}: torch's random state {why}: it begins anew from the seed; nothing of ours draws from it"
            )
            random_state.seed_generators(seed=self.settings.seed, step=step, rank=collectives.rank())


def _require_finite(state: TrainState, gathered: checkpoint.TensorFiles) -> None:
    """TrainingError on all processes when a weight, an average or a moment is not finite on any: a loss may be finite
    while they are not."""
    tensors = state.tensors() | dict(gathered)
    own = first_non_finite(
        (f"{stem}: {name}", tensor) for stem, named in tensors.items() for name, tensor in named.items()
    )
    everywhere = [name for name in collectives.all_gather(own) if name]
    if everywhere:
        raise TrainingError(
            f"{everywhere[0]} is not finite after step {state.step}; no checkpoint of it is written, the last one is "
            "kept: lower the learning rate (optimizer.generator, optimizer.discriminator) or use precision=fp32, then "
            "go on in another run_dir, with init_from= that checkpoint"
        )


def _agree(failure: BaseException | None, states: random_state.States | None) -> list[random_state.States]:
    """Every process's random states, on every process; or, on all of them, what rank 0's writer failed with."""
    message = "" if failure is None else str(failure) or repr(failure)
    everywhere = collectives.all_gather((message, states))
    if failure is not None:
        raise failure
    if everywhere[0][0]:
        raise CheckpointError(everywhere[0][0])
    return [each or {} for _, each in everywhere]
