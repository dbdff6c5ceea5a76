"""Which file or folder a user means by MODEL."""

from pathlib import Path

from cartoon_dist.built_in import built_in_model
from cartoon_dist.errors import CheckpointError
from cartoon_dist.hub.names import SCHEME, parse_name
from cartoon_dist.runs.model_folder import WEIGHTS, is_model_folder


def locate_model(model: str | None) -> Path:
    """The run, checkpoint or exported file that `model` names; None is the built-in model.

    A path that exists is taken, a folder in the hub's layout as the weights in it. Any other `owner/name`, or
    `owner/name@revision`, is a repository on the hub, whose weights are fetched into the hub's own cache, unless its
    first part is a folder here: that is a path with a slip. `hf://owner/name` always means the hub.

    CheckpointError where there is no such model, ConfigError where the hub's library is needed and missing.
    """
    if model is None:
        return built_in_model()
    repository = parse_name(model)
    if not model.startswith(SCHEME):
        path = Path(model).expanduser()
        if _exists(path):
            return path / WEIGHTS if is_model_folder(path) else path
        if repository is not None and _exists(Path(path.parts[0])):
            repository = None
    if repository is None:
        raise CheckpointError(
            f"{model}: there is no such run, checkpoint or export; check the path, or name a repository on the hub: "
            "OWNER/NAME"
        )
    # Takes a second to import, with the hub's library, which only such names need.
    from cartoon_dist.hub.download import download_model

    return download_model(repository)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no file system takes so long a name
        return False
