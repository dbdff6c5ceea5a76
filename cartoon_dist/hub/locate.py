"""Which file or folder a user means by MODEL."""

from pathlib import Path

from cartoon_dist.built_in import built_in_model


def locate_model(model: str | None) -> Path:
    """The run, checkpoint or exported file that `model` names; None is the built-in model.

    CheckpointError where there is no such model.
    """
    return built_in_model() if model is None else Path(model)
