"""Errors that a user can correct. Any other exception is a bug and keeps its traceback.

    CartoonError
    |- ConfigError       a setting: unknown, of the wrong type, or in conflict with another
    |- PictureError      a picture that cannot be used
    |- ShardError        a shard or its folder: missing, damaged, made with other settings
    |- WeightsError      pretrained weights: missing, or not the file they should be
    |- CheckpointError   a run folder or a checkpoint in it
    |- TrainingError     a run that cannot go on
    |- LostProcessError  another process of the run has gone
    `- ClusterError      a job that cannot be submitted, or that failed

A message is one line: what, where, what to do.
"""


class CartoonError(Exception):
    """Base of all errors a user can correct; scripts print it in one line and exit with status 2."""


class ConfigError(CartoonError):
    """A setting is unknown, of the wrong type, or contradicts another."""


class PictureError(CartoonError):
    """A picture is broken, or of a kind that cannot be used."""


class ShardError(CartoonError):
    """A shard, its index or the folder's manifest is missing, damaged or made with other settings."""


class WeightsError(CartoonError):
    """Pretrained weights are missing or are not the file they should be."""


class CheckpointError(CartoonError):
    """A run folder or one of its checkpoints cannot be used."""


class TrainingError(CartoonError):
    """The run cannot go on, for instance because a loss is no longer finite."""


class LostProcessError(CartoonError):
    """Another process of the run has ended or does not answer; `rank` is its rank, None where that is not known."""

    def __init__(self, message: str, *, rank: int | None) -> None:
        super().__init__(message)
        self.rank = rank


class ClusterError(CartoonError):
    """A job cannot be submitted, or one that was submitted has failed."""
