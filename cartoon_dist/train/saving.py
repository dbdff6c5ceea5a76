"""Between the training state and its checkpoints: what is written, and how a run goes on."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cartoon_dist import distributed
from cartoon_dist.config import TrainSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.log import say
from cartoon_dist.train.meter import Meter
from cartoon_dist.train.state import TrainState

_PACKAGES = ("cartoon-dist", "torch", "torchvision", "accelerate", "numpy")


@dataclass(frozen=True, kw_only=True)
class Saver:
    """Writes and takes up checkpoints of one run.

    data: a fingerprint of each domain's samples; a run goes on only with the samples it began with.
    """

    run: RunFolder
    settings: TrainSettings
    engine: Engine
    data: dict[str, str]

    def save(self, state: TrainState, meter: Meter) -> None:
        """Write a checkpoint on rank 0; TrainingError on all ranks, and nothing written, when a figure is not
        finite."""
        pending = meter.pending()
        if distributed.is_main():
            facts = {
                "seed": self.settings.seed,
                "images": state.step * self.settings.batch_size,
                "world_size": distributed.world_size(),
                "versions": {package: version(package) for package in _PACKAGES},
                "data": self.data,
                "scalers": self.engine.scaler_states(),
                "pending": pending,
            }
            checkpoint.save(self.run, state.step, state.tensors(), facts, keep=self.settings.checkpoint.keep)

    def resume(self, state: TrainState, meter: Meter) -> Path | None:
        """Take up the newest whole checkpoint, if there is one; CheckpointError when it is of other networks or
        samples."""
        # One process looks and tells: another might see the folder at another moment.
        [found, *_] = distributed.gather(self._newest() if distributed.is_main() else None)
        if not isinstance(found, Path):
            return None
        facts = checkpoint.read_manifest(found)
        changed = [name for name, fingerprint in self.data.items() if facts["data"].get(name) != fingerprint]
        if changed:
            raise CheckpointError(
                f"{found}: was trained on other {' and '.join(changed)}; give these shards as data.{changed[0]}=, "
                "or train into another run_dir"
            )
        state.load(facts["step"], checkpoint.load(found))
        self.engine.load_scaler_states(facts["scalers"])
        meter.resume(facts["pending"])
        return found

    def _newest(self) -> Path | None:
        checkpoint.sweep(self.run)
        found, faults = checkpoint.newest(self.run)
        for fault in faults:
            say(f"warning: {fault}; passed over")
        if faults and found is None:
            raise CheckpointError(
                f"{self.run.root}: no checkpoint is whole ({faults[0]}); restore one or remove them all"
            )
        return found
