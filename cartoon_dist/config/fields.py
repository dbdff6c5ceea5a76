"""How settings are declared: the types of their fields, and the decorator of every settings class."""

import os
import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, TypeVar, cast, dataclass_transform

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from cartoon_dist.console.escape import first_control_character

Settings = TypeVar("Settings")

# Far above any real count: a larger one is a typing mistake, and would overflow the code that takes it.
_MAX_COUNT = 10**12
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=_MAX_COUNT)]
CountOrZero = Annotated[int, Field(ge=0, le=_MAX_COUNT)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
DeviceName = Literal["auto", "cpu", "cuda"]
"""The `device` setting of every command that computes; auto is CUDA where torch finds a device."""

TrackerName = Literal["wandb", "mlflow", "trackio"]
"""A service or program that shows runs; each is an extra of the same name."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))", re.ASCII)
_MAX_NAME_BYTES, _MAX_PATH_BYTES = 255, 4095
"""In bytes: the limits of Linux."""


def expand_path(path_or_url: str) -> str:
    """A path with `~` and `$VARIABLE` expanded, as a shell would; a URL stays as it is.

    A shell expands them in few `key=value` arguments, and in no file. ValueError for a variable that is not set and a
    user that does not exist, unless there is a folder of exactly that name; also for a path that no file system takes.
    """
    if character := first_control_character(path_or_url):
        raise ValueError(f"holds {character}, which no path here may hold")
    if _URL.match(path_or_url):
        return path_or_url
    unknown = [name for match in _VARIABLE.finditer(path_or_url) if (name := match[1] or match[2]) not in os.environ]
    if unknown and not os.path.lexists(path_or_url):
        raise ValueError(f"${unknown[0]} is not set; set it or write the path out")
    path = os.path.expanduser(_VARIABLE.sub(lambda match: os.environ.get(match[1] or match[2], match[0]), path_or_url))  # noqa: PTH111
    if path.startswith("~") and not os.path.lexists(path):
        raise ValueError(f"{path.partition('/')[0]} is no user here; write ./~ for a folder of that name")
    if character := first_control_character(path):
        raise ValueError(f"holds {character} once it is written out, which no path here may hold")
    if len(os.fsencode(path)) > _MAX_PATH_BYTES:
        raise ValueError(f"is longer than {_MAX_PATH_BYTES} bytes")
    if any(len(os.fsencode(part)) > _MAX_NAME_BYTES for part in PurePosixPath(path).parts):
        raise ValueError(f"a name in it is longer than {_MAX_NAME_BYTES} bytes")
    return path


PathOrURL = Annotated[str, AfterValidator(expand_path)]
"""A path, or a URL where the setting allows one."""


def _as_list(value: object) -> object:
    """`track=wandb` means the same as `track=[wandb]`."""
    return (value,) if isinstance(value, str) else value


TrackerNames = Annotated[tuple[TrackerName, ...], BeforeValidator(_as_list)]
ProjectName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
"""What every tracker takes as the name of a project."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings_dataclass(kind: type[Settings]) -> type[Settings]:
    """Make a settings class: frozen, keyword-only, and unknown keys are refused."""
    made = dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))(kind)
    return cast(type[Settings], made)
