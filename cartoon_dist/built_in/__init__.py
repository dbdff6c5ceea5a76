"""The small generator that travels in the package, so that a picture can be drawn before anything is trained."""

from pathlib import Path

from cartoon_dist.errors import CheckpointError

FILE = Path(__file__).with_name("anime.safetensors")
"""As `launch/export.py` writes it, in half precision; its card is `README.md` beside it."""


def built_in_model() -> Path:
    """The file of the model; CheckpointError where this installation lacks it."""
    if not FILE.is_file():
        raise CheckpointError(f"{FILE}: this installation has no built-in model; name a model: cartoonize MODEL INPUT")
    return FILE
