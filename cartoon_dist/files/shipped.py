"""Folders that travel with the package: configs, Slurm scripts, sample pictures.

In a clone of the project they lie beside the package; a wheel holds them inside it (see setup.py).
"""

from pathlib import Path
from typing import Literal

from cartoon_dist.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]
IN_CLONE = {"configs": "configs", "slurm": "slurm", "samples": "shards/samples"}
"""Where a clone has them, by their name in the package."""
SUFFIXES = (".yaml", ".yml")


def shipped(name: Literal["configs", "slurm", "samples"]) -> Path:
    """The folder of that name, wherever this installation has it."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / IN_CLONE[name]


def config_names() -> list[str]:
    """The configs that travel with the package, as they are named: `hayao`, `ablation/sal`.

    Those for `accelerate launch`, which lie beside them, are none of them.
    """
    folder = shipped("configs")
    names = [file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml")]
    return sorted(name for name in names if not name.startswith("accelerate/"))


def config_file(word: str) -> Path:
    """The file of a config: a path, or the name of one that travels with the package (`hayao`, `ablation/sal`).

    What ends with .yaml, or lies there and is no folder, is a path. ConfigError, which lists the names, for the rest.
    """
    path = Path(word)
    if path.suffix in SUFFIXES or (path.exists() and not path.is_dir()):
        return path
    if word in (names := config_names()):
        return shipped("configs") / f"{word}.yaml"
    raise ConfigError(f"{word}: is no config file, and no config has this name; there are {', '.join(names)}")
