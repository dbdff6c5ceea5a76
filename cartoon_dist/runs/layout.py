"""A run folder: the paths of its files, and whether a run may resume in it."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from cartoon_dist.config import overrides
from cartoon_dist.config.reading import check
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.files.atomic import write_atomically, write_json
from cartoon_dist.files.folder_kinds import require_run_folder
from cartoon_dist.files.json_yaml import ParseError, read_json, read_yaml

RESUMABLE_CHANGES = frozenset(
    {"run_dir", "init_from", "epochs", "max_steps", "max_hours", "weights_folder"}
    | {"log_every", "sample_every", "num_samples", "weights", "track", "track_project"}
    | {"device", "zero_stage", "accumulate", "compare_every", "silence_seconds"}
    | {"checkpoint", "warning", "score", "score_at_end", "data.num_workers", "data.photos", "data.cartoons"}
    | {"data.cache", "data.max_damaged", "data.keep", "capture", "model.checkpoint_blocks"}
)
"""Settings that do not change what a step computes: they may differ when a run resumes. `epochs` and `max_steps` only
set its end, as all else is a function of the step. Shards are compared by their bytes, not by their path; `init_from`
is read only while a run has no checkpoint."""


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
        """The sample grid of a step."""
        return self.root / "samples" / f"{step_name(step)}.png"

    def checkpoint(self, step: int) -> Path:
        """The checkpoint of a step."""
        return self.root / step_name(step)

    def check_same(self, settings: TrainSettings, made_with: Path | None = None) -> None:
        """CheckpointError, with the differences, where the run (or the checkpoint with the config file `made_with`) was
        made with other settings; also where run_dir is another one of our own folders."""
        require_run_folder(self.root)
        config = made_with or self.config
        if not config.exists():
            return
        try:
            before = check(TrainSettings, read_yaml(config))
        except OSError as error:
            raise CheckpointError(
                f"{config}: cannot be read ({error.strerror}); restore it or train into another run_dir"
            ) from None
        except (ParseError, ConfigError) as error:
            raise CheckpointError(f"{config}: is damaged ({error}); restore it or train into another run_dir") from None
        changed = overrides.differences(overrides.to_dict(before), overrides.to_dict(settings), RESUMABLE_CHANGES)
        if changed:
            raise CheckpointError(
                f"{config.parent}: made with other settings ({', '.join(changed)}); use the same, or another run_dir, "
                f"which can begin with its weights (init_from={config.parent})"
            )

    def write_config(self, settings: TrainSettings) -> None:
        """Keep the resolved settings beside the run; CheckpointError where they cannot be written."""
        try:
            write_atomically(self.config, config_text(settings))
        except OSError as error:
            raise CheckpointError(
                f"{self.config}: cannot be written ({error.strerror}); make room, then run the same command again"
            ) from None

    def take_back_start(self) -> None:
        """After a start that failed: remove what would make the folder count as a run, unless a step was recorded or
        saved. `exit.json`, which says why it failed, stays; only files that a run itself writes are touched."""
        if self._has_begun():
            return
        for path in (self.config, self.metrics, self.report, self.sample(0)):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # not there, or with other files in it
            self.sample(0).parent.rmdir()

    def _has_begun(self) -> bool:
        recorded = self.metrics.is_file() and self.metrics.stat().st_size > 0
        return recorded or next(self.root.glob("step-*"), None) is not None

    def write_exit(self, status: int, reason: str) -> None:
        """Record why the process exits: a launcher turns every status but 0 into 1."""
        write_json(self.exit, {"status": status, "reason": reason})

    def exit_status(self) -> int | None:
        """The recorded status of the last process; None where there is none or its file cannot be read."""
        try:
            record = read_json(self.exit)
        except (OSError, ParseError):
            return None
        status = record.get("status") if isinstance(record, dict) else None
        return status if isinstance(status, int) else None


def config_text(settings: TrainSettings) -> str:
    """All settings as YAML."""
    return yaml.safe_dump(overrides.to_dict(settings), sort_keys=False, allow_unicode=True)


def step_name(step: int) -> str:
    """`step-0001000`."""
    return f"step-{step:07d}"
