"""Gives a trained generator to a model hub, as a repository of three files: config, weights, card."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cartoon_dist.config.fields import DeviceName
from cartoon_dist.distributed import devices
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.export.comparison_photo import comparison_photo
from cartoon_dist.export.front_matter import OTHER_LICENCE
from cartoon_dist.export.model_folder import CardFacts, export_folder
from cartoon_dist.hub.client import ANSWER_SECONDS, ask, open_api
from cartoon_dist.hub.names import SCHEME, RepositoryName, parse_name
from cartoon_dist.runs import trained
from cartoon_dist.runs.model_folder import CARD, CONFIG, WEIGHTS, is_model_folder, read_config

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def push(
    model: str | os.PathLike[str],
    repository: str,
    *,
    private: bool = True,
    weights: Literal["ema", "raw"] = "ema",
    photo: str | os.PathLike[str] | None = None,
    licence: str = OTHER_LICENCE,
    pictures_licence: str = "",
    device: DeviceName = "auto",
) -> str:
    """Export a generator and upload it in one commit; `OWNER/NAME@COMMIT`, which `load` takes.

    model: a run or a checkpoint; its export is compared with it on a photo first (`photo`, or one of the run's shards).
    Or a folder that `launch/export.py RUN FOLDER/` wrote, which goes up as it is. repository: `owner/name`; made where
    there is none, private unless told otherwise; what is in it already stays, but for these three files.
    licence, pictures_licence: for the card, see docs/export.md.

    ConfigError for a name that is none, or where the hub's library is missing; CheckpointError where the model cannot
    be read, its export differs, or the hub refuses it. Nothing is uploaded then.
    """
    name = parse_name(repository)
    if name is None or name.revision is not None:
        raise ConfigError(f"{repository}: is no name of a repository to write to; name it {SCHEME}OWNER/NAME")
    api = open_api(name, "write")
    source = Path(model)
    if is_model_folder(source):
        _check_folder(source)
        return _upload(api, source, name, private=private)
    loaded = trained.load(source, weights=weights)
    picture = comparison_photo(loaded, None if photo is None else Path(photo))
    facts = CardFacts(pictures_licence=pictures_licence, licence=licence, name=name.repo_id)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        export_folder(loaded, folder, picture, facts, devices.choose_device(device))
        return _upload(api, folder, name, private=private)


def _check_folder(folder: Path) -> None:
    """CheckpointError where one of the three files is missing, or does not hold a generator."""
    if not (folder / CARD).is_file():
        raise CheckpointError(f"{folder}: has no {CARD}; export it again, the hub shows this card")
    read_config(folder / CONFIG)
    trained.load(folder / WEIGHTS, weights="ema")


def _upload(api: "HfApi", folder: Path, name: RepositoryName, *, private: bool) -> str:
    from huggingface_hub import CommitOperationAdd

    ask(name, "write", lambda: api.create_repo(name.repo_id, repo_type="model", private=private, exist_ok=True))
    info = ask(name, "write", lambda: api.model_info(name.repo_id, timeout=ANSWER_SECONDS))
    if private and not info.private:
        raise ConfigError(f"{name}: this repository is public; say visibility=public (in Python private=False)")
    files = [
        CommitOperationAdd(path_in_repo=file, path_or_fileobj=str(folder / file)) for file in (CONFIG, WEIGHTS, CARD)
    ]
    message = "Upload a generator by cartoon-dist"
    commit = ask(name, "write", lambda: api.create_commit(name.repo_id, files, commit_message=message))
    return f"{name.repo_id}@{commit.oid}"
