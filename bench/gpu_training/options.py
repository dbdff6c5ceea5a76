"""What the command line asks for, and the settings of a row's training that follow from it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cartoon_dist.config.command_line import key_of
from cartoon_dist.config.run_config import read_settings
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import ConfigError
from cartoon_dist.vgg_layers import layer_names

ROWS = {
    "cartoongan": "ablation/cartoongan",
    "sal": "ablation/sal",
    "sal_cbam": "ablation/sal_cbam",
    "ressal_cbam": "ablation/ressal_cbam",
    "whitebox": "baseline/whitebox",
    "animegan": "baseline/animegan",
}
"""The rows of the paper's tables by their names in launch/table.py, and the config of each."""
OWN_CONFIG = "config"
"""A row of no table: the config alone, as it is."""
CHOSEN_HERE = frozenset(
    {
        "run_dir",
        "seed",
        "image_size",
        "data.photos",
        "data.cartoons",
        "max_steps",
        "epochs",
        "max_hours",
        "warmup.steps",
    }
    | {"warmup.epochs", "optimizer.milestones", "loss.content.every", "loss.content.decay", "weights_folder", "device"}
)
"""Settings that follow from the minutes, the pack and the other options."""
_LAST_LAYER = "conv4_3"

Budget = Literal["images", "minutes"]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long the parts take.

    interval, checkpoint: seconds between two drawings, and between two checkpoints. probe_steps: of the warm-up and of
    the GAN phase; probe_seconds: at most, the recording of a step included. most_images: of a row; None: what fits.
    patience: by what every time limit of a stage is multiplied.
    """

    interval: float
    checkpoint: float
    probe_steps: tuple[int, int]
    probe_log_every: int
    probe_seconds: float
    most_images: int | None = None
    patience: float = 1.0


REAL = Pace(interval=60.0, checkpoint=25.0, probe_steps=(40, 160), probe_log_every=10, probe_seconds=60.0)
"""200 steps of 8 are about 10 to 20 seconds on an H100."""
REHEARSAL = Pace(
    interval=2.0,
    checkpoint=0.5,
    probe_steps=(2, 4),
    probe_log_every=1,
    probe_seconds=600.0,
    most_images=48,
    patience=10.0,
)
_TINY = ("model.channels=4", "model.num_blocks=1", "batch_size=2", "num_samples=1", "data.num_workers=0")
_REAL_WORDS = ("precision=bf16", "batch_size=8", "num_samples=4", "data.num_workers=6")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Of one result. scratch: for shards and checkpoints, which are too large to be brought home. words: settings that
    all rows get alike. minutes: over all starts together."""

    out: Path
    scratch: Path
    pack: Path | None
    minutes: float
    style: str = ""
    rows: tuple[str, ...] = ("ressal_cbam",)
    config: str = "hayao"
    seed: int = 0
    image_size: int = 256
    budget: Budget = "images"
    weights: Literal["ema", "raw"] = "ema"
    rehearse: bool = False
    words: tuple[str, ...] = field(default=())

    @property
    def pace(self) -> Pace:
        """How long the parts take."""
        return REHEARSAL if self.rehearse else REAL

    @property
    def device(self) -> str:
        """Where it trains."""
        return "cpu" if self.rehearse else "cuda"

    def run_folder(self, row: str) -> Path:
        """The run of a row, with its checkpoints."""
        return self.scratch / "runs" / row

    def row_out(self, row: str) -> Path:
        """What is brought home of a row."""
        return self.out / row

    def _files(self, row: str) -> list[str]:
        return [self.config, *([ROWS[row]] if row != OWN_CONFIG else [])]

    def own_settings(self, row: str) -> TrainSettings:
        """What the config files of a row say, with the settings of the command line, but for the batch: a schedule in
        steps is meant for the files' own."""
        return read_settings([*self._files(row), *(word for word in self.words if key_of(word) != "batch_size")])

    def row_words(self, row: str) -> list[str]:
        """Config files and settings of a row's training, but for its schedule."""
        own = self.own_settings(row)
        # Superpixels of White-box's own drawing are cut on the host: such a step cannot be recorded.
        mode = "none" if own.method == "whitebox" and own.loss.whitebox.structure else "iteration"
        words = [f"image_size={self.image_size}", f"capture.mode={mode}", "score_at_end=false"]
        words += [*(_TINY if self.rehearse else _REAL_WORDS), *self._features(own), *self.words]
        words += [f"run_dir={self.run_folder(row)}", f"seed={self.seed}", f"device={self.device}"]
        words += [f"data.{domain}={self.scratch / 'shards' / domain}" for domain in ("photos", "cartoons")]
        words += [f"weights_folder={self.scratch / 'pack' / 'weights'}", f"weights={self.weights}"]
        return [*self._files(row), *words, f"score.weights={self.weights}", "checkpoint.keep=3"]

    def _features(self, settings: TrainSettings) -> list[str]:
        """VGG16 up to conv4_3 is what travels: the layer that is asked for, or the one at its place in VGG19."""
        asked = settings.loss.content.layer
        known = layer_names("vgg16")[: layer_names("vgg16").index(_LAST_LAYER) + 1]
        layer = asked if asked in known else _LAST_LAYER
        return ["loss.content.network=vgg16", f"loss.content.layer={'conv2_2' if self.rehearse else layer}"]

    def check(self) -> None:
        """ConfigError for rows, configs and settings that cannot be, before any minute is used."""
        if unknown := [row for row in self.rows if row not in (*ROWS, OWN_CONFIG)]:
            raise ConfigError(f"--rows: there is no {', '.join(unknown)}; there are {', '.join((*ROWS, OWN_CONFIG))}")
        if taken := [word for word in self.words if key_of(word) in CHOSEN_HERE]:
            raise ConfigError(f"{key_of(taken[0])}: follows from the minutes and the pack; leave it out")
        for row in self.rows:
            read_settings(self.row_words(row))
