"""A trained generator as a folder that a model hub takes: `config.json`, `model.safetensors`, and its card `README.md`.

`model.safetensors` is complete in itself, as every export is. `config.json` says the same for people, for the hub, and
before the weights are fetched: a repository that holds no generator of ours is refused by it.
"""

import json
from pathlib import Path

from cartoon_dist.console.command_names import command_name
from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.bounded import MAX_TEXT_BYTES, read_regular_text
from cartoon_dist.files.json_yaml import parse_json
from cartoon_dist.runs.export_file import ExportMetadata, from_strings, to_strings

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
_SETTINGS = "config"
"""The one entry of an export's metadata that is JSON itself; in `config.json` it is not a string in a string."""


def is_model_folder(folder: Path) -> bool:
    """Whether the folder is laid out as described above; its files are not read."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def config_text(metadata: ExportMetadata) -> str:
    """The content of `config.json`; it says nothing about the machine on which the generator was trained."""
    values: dict[str, object] = dict(to_strings(metadata))
    values[_SETTINGS] = parse_json(str(values[_SETTINGS]))
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def read_config(path: Path) -> ExportMetadata:
    """What a `config.json` says of its generator; CheckpointError where it is not one of ours."""
    try:
        values = parse_json(read_regular_text(path, max_bytes=MAX_TEXT_BYTES))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}); give what {command_name('export')} made") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: is no generator of ours; give what {command_name('export')} made")
    strings = {key: value for key, value in values.items() if isinstance(value, str)}
    return from_strings(strings | {_SETTINGS: json.dumps(values.get(_SETTINGS))}, path)
