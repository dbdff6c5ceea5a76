"""How settings are declared: the kinds of numbers and texts in them, and what every class of them is."""

import os
import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, TypeVar, cast, dataclass_transform

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from cartoon_dist.console.escape import hidden

Settings = TypeVar("Settings")

# No count of anything here comes near: a larger one is a slip of the hand, and overflows what it is handed to.
_MOST = 10**12
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=_MOST)]
CountOrZero = Annotated[int, Field(ge=0, le=_MOST)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
DeviceName = Literal["auto", "cpu", "cuda"]
"""Known to every command that computes; auto is CUDA where torch finds a device."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))", re.ASCII)
_LONGEST_NAME, _LONGEST_PATH = 255, 4095
"""In bytes: what Linux takes."""


def expanded(place: str) -> str:
    """A path with `~` and `$VARIABLE` written out, as a shell would; a URL stays as it is.

    A shell does neither in most `key=value` words, and in no file. ValueError for a variable that is not set and a user
    that is not known, unless there is a folder of that very name; also for a path that no file system takes.
    """
    if found := hidden(place):
        raise ValueError(f"holds {found}, which no path here may hold")
    if _URL.match(place):
        return place
    unknown = [name for match in _VARIABLE.finditer(place) if (name := match[1] or match[2]) not in os.environ]
    if unknown and not os.path.lexists(place):
        raise ValueError(f"${unknown[0]} is not set; set it or write the path out")
    path = os.path.expanduser(_VARIABLE.sub(lambda match: os.environ.get(match[1] or match[2], match[0]), place))  # noqa: PTH111
    if path.startswith("~") and not os.path.lexists(path):
        raise ValueError(f"{path.partition('/')[0]} is no user here; write ./~ for a folder of that name")
    if found := hidden(path):
        raise ValueError(f"holds {found} once it is written out, which no path here may hold")
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ValueError(f"is longer than {_LONGEST_PATH} bytes")
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in PurePosixPath(path).parts):
        raise ValueError(f"a name in it is longer than {_LONGEST_NAME} bytes")
    return path


Place = Annotated[str, AfterValidator(expanded)]
"""A folder, or where a setting allows it a URL."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings(kind: type[Settings]) -> type[Settings]:
    """Settings are frozen, named, and refuse keys they do not know."""
    made = dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))(kind)
    return cast(type[Settings], made)
