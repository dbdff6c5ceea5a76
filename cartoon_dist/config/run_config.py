"""The settings of a training run from the words of a command line."""

from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import ConfigError
from cartoon_dist.pretrained import default_folder


def read_settings(words: Sequence[str]) -> TrainSettings:
    """Config files and `key=value` words as settings; the run folder is named after the files."""
    files = [Path(word) for word in words if "=" not in word]
    if not files:
        raise ConfigError("give at least one config file, for instance configs/hayao.yaml")
    run_dir, folder = "runs/" + "-".join(file.stem for file in files), str(default_folder())
    pairs = [word for word in words if "=" in word]
    return read(TrainSettings, files, pairs, run_dir=run_dir, weights_folder=folder)
