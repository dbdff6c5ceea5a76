"""Fetches a model of a repository on the hub: two files, whose sizes are known before, into the hub's own cache."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from cartoon_dist.console.command_names import command_name
from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.bounded import MAX_EXPORT_BYTES, MAX_TEXT_BYTES
from cartoon_dist.hub.client import ANSWER_SECONDS, UnreachableError, ask, open_api
from cartoon_dist.hub.names import RepositoryName
from cartoon_dist.runs.model_folder import CONFIG, WEIGHTS, read_config

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

_log = logging.getLogger(__name__)
_MAX_BYTES = {CONFIG: MAX_TEXT_BYTES, WEIGHTS: MAX_EXPORT_BYTES}
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_MAIN = "main"


def download_model(repository: RepositoryName) -> Path:
    """The `model.safetensors` of a repository, in the hub's cache; fetched only where it is not there yet.

    No other files than it and `config.json` are ever fetched, and nothing is unpickled. Without a connection, or with
    HF_HUB_OFFLINE=1, the file in the cache is taken. CheckpointError where there is no such repository, where it holds
    no generator of ours, or where its files are larger than such files may be.
    """
    api = open_api(repository, "read")
    try:
        info = ask(
            repository,
            "read",
            lambda: api.model_info(
                repository.repo_id, revision=repository.revision, files_metadata=True, timeout=ANSWER_SECONDS
            ),
        )
    except UnreachableError as error:
        return _from_cache(api, repository, error)
    _check_files(repository, info)
    revision = repository.revision or _MAIN
    # By the name of the revision, so that the cache knows it without a connection; then by the commit that it named.
    config = _fetch(api, repository, CONFIG, revision)
    if config.parent.name != info.sha:
        raise CheckpointError(f"{repository}: changed while it was fetched; give the same command again")
    read_config(config)
    return _fetch(api, repository, WEIGHTS, str(info.sha))


def _check_files(repository: RepositoryName, info: "ModelInfo") -> None:
    """CheckpointError unless the files that are fetched are there, each within its bound."""
    sizes = {file.rfilename: file.size for file in info.siblings or []}
    for name, max_bytes in _MAX_BYTES.items():
        if name not in sizes:
            pickled = next((other for other in sizes if other.endswith(_PICKLED)), None)
            beside = f" ({pickled}: pickled files are never opened)" if pickled else ""
            raise CheckpointError(
                f"{repository}: has no {name}{beside}, so it is no generator of ours; name one that "
                f"{command_name('export')} made"
            )
        size = sizes[name]
        if size is None or size > max_bytes:
            told = "of a size that the hub does not tell" if size is None else f"{size:,} bytes"
            raise CheckpointError(f"{repository}: its {name} is {told}; {max_bytes:,} are the most that are fetched")


def _fetch(api: "HfApi", repository: RepositoryName, name: str, revision: str) -> Path:
    path = ask(repository, "read", lambda: api.hf_hub_download(repository.repo_id, name, revision=revision))
    return Path(path)


def _from_cache(api: "HfApi", repository: RepositoryName, problem: UnreachableError) -> Path:
    """The file of an earlier download; the problem that the hub cannot be asked where there is none."""

    def cached(name: str) -> Path:
        revision = repository.revision or _MAIN
        return Path(api.hf_hub_download(repository.repo_id, name, revision=revision, local_files_only=True))

    try:
        read_config(ask(repository, "read", lambda: cached(CONFIG)))
        weights = ask(repository, "read", lambda: cached(WEIGHTS))
    except UnreachableError:
        weights = None
    if weights is None:
        raise CheckpointError(
            f"{repository}: there is no such run, checkpoint or export here, no earlier download in the cache, and "
            f"{problem.reason}"
        )
    _log.warning("warning: %s; the file of an earlier download is used", problem)
    return weights
