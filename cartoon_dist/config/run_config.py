"""The settings of a training run from the words of a command line."""

from collections.abc import Sequence

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.files.shipped import config_file
from cartoon_dist.pretrained import default_folder

DEFAULT_CONFIG = "hayao"


def read_settings(words: Sequence[str]) -> TrainSettings:
    """Configs, by path or name, and `key=value` words as settings; the run folder is named after the configs.

    Without a config it is the paper's main one, hayao.
    """
    files = [config_file(word) for word in words if "=" not in word] or [config_file(DEFAULT_CONFIG)]
    run_dir, folder = "runs/" + "-".join(file.stem for file in files), str(default_folder())
    pairs = [word for word in words if "=" in word]
    return read(TrainSettings, files, pairs, run_dir=run_dir, weights_folder=folder)
