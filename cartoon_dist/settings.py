"""How settings are declared: the kinds of numbers in them, and what every class of them is."""

from typing import Annotated, Literal, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Settings = TypeVar("Settings")

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
DeviceName = Literal["auto", "cpu", "cuda"]
"""Known to every command that computes; auto is CUDA where torch finds a device."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings(kind: type[Settings]) -> type[Settings]:
    """Settings are frozen, named, and refuse keys they do not know."""
    made = dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))(kind)
    return cast(type[Settings], made)
