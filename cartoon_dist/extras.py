"""What an installation without some extra lacks, as an error that says what to type."""

from importlib.util import find_spec

from cartoon_dist.errors import ConfigError

LIBRARIES = {
    "train": ("accelerate", "webdataset", "av", "skimage", "scipy", "numba", "submitit", "tensorboard", "torchvision"),
    "score": ("torch_fidelity", "torchvision", "scipy"),
    "deepspeed": ("deepspeed", "transformers"),
    "remote": ("fsspec", "s3fs"),
    "film": ("av",),
    "heic": ("pillow_heif",),
    "hub": ("huggingface_hub",),
    "web": ("gradio",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "trackio": ("trackio",),
}
"""The libraries that each extra of pyproject.toml brings and that we import, by the names they are imported by."""


def missing(library: str, extra: str) -> ConfigError:
    """The error to raise where `library`, which the extra brings, cannot be imported."""
    return ConfigError(f"{library} is not installed; type: pip install 'cartoon-dist[{extra}]'")


def is_installed(extra: str) -> bool:
    """Whether every library of the extra is there; none is imported, which may take seconds."""
    return all(map(find_spec, LIBRARIES[extra]))


def require(*names: str) -> None:
    """ConfigError unless every library of these extras is there; none is imported."""
    lacking = [name for name in names if not is_installed(name)]
    if lacking:
        first = next(library for library in LIBRARIES[lacking[0]] if find_spec(library) is None)
        raise missing(first, ",".join(lacking))
