"""A run folder: what lies where, and whether a run may go on in it."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from cartoon_dist.config import overrides
from cartoon_dist.config.reading import check
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.files.atomic import write_json, write_whole
from cartoon_dist.files.folder_kinds import require_run_folder
from cartoon_dist.files.json_yaml import UnreadableError, json_file, yaml_file

MAY_CHANGE = frozenset(
    {"run_dir", "init_from", "epochs", "max_steps", "max_hours", "weights_folder"}
    | {"log_every", "sample_every", "num_samples", "weights"}
    | {"device", "zero_stage", "accumulate", "compare_every", "silence_seconds"}
    | {"checkpoint", "warning", "score", "score_at_end", "data.num_workers", "data.photos", "data.cartoons"}
    | {"data.cache", "data.max_damaged", "capture", "model.checkpoint_blocks"}
)
"""Settings that do not change what a step computes: they may differ when a run goes on. `epochs` and `max_steps` are
its end alone, as all else is a function of the position. Shards are compared by their bytes, not by where they lie;
`init_from` is read where a run has no checkpoint yet."""


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        return self.root / "tensorboard"

    @property
    def exit(self) -> Path:
        return self.root / "exit.json"

    @property
    def scores(self) -> Path:
        return self.root / "scores.json"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    def sample(self, step: int) -> Path:
        """The picture grid drawn after a step."""
        return self.root / "samples" / f"{step_name(step)}.png"

    def checkpoint(self, step: int) -> Path:
        """The checkpoint written after a step."""
        return self.root / step_name(step)

    def check_same(self, settings: TrainSettings, made_with: Path | None = None) -> None:
        """Refuse to go on with a run, or with its checkpoint of that config file, that was made with other settings:
        CheckpointError with the differences. Refused as well: a folder of ours that is no run's, as run_dir."""
        require_run_folder(self.root)
        config = made_with or self.config
        if not config.exists():
            return
        try:
            before = check(TrainSettings, yaml_file(config))
        except OSError as error:
            raise CheckpointError(
                f"{config}: cannot be read ({error.strerror}); restore it or train into another run_dir"
            ) from None
        except (UnreadableError, ConfigError) as error:
            raise CheckpointError(f"{config}: is damaged ({error}); restore it or train into another run_dir") from None
        changed = overrides.differences(overrides.plain(before), overrides.plain(settings), MAY_CHANGE)
        if changed:
            raise CheckpointError(
                f"{config.parent}: made with other settings ({', '.join(changed)}); use the same, or another run_dir, "
                f"which can begin with its weights (init_from={config.parent})"
            )

    def write_config(self, settings: TrainSettings) -> None:
        """Keep the resolved settings beside the run; CheckpointError where they cannot be written."""
        try:
            write_whole(self.config, config_text(settings))
        except OSError as error:
            raise CheckpointError(
                f"{self.config}: cannot be written ({error.strerror}); make room, then run the same command again"
            ) from None

    def write_exit(self, status: int, reason: str) -> None:
        """Why the last process left: a launcher turns every status but 0 into 1, so the reason stands here."""
        write_json(self.exit, {"status": status, "reason": reason})

    def exit_status(self) -> int | None:
        """The status of the last process, or None where there is none or its file cannot be read."""
        try:
            left = json_file(self.exit)
        except (OSError, UnreadableError):
            return None
        status = left.get("status") if isinstance(left, dict) else None
        return status if isinstance(status, int) else None


def config_text(settings: TrainSettings) -> str:
    """All settings as YAML."""
    return yaml.safe_dump(overrides.plain(settings), sort_keys=False, allow_unicode=True)


def step_name(step: int) -> str:
    """`step-0001000`."""
    return f"step-{step:07d}"
