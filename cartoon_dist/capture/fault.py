"""Why a step cannot be recorded, with the line of code that is to blame."""

import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

_aten = torch.ops.aten
_READS_BACK = {
    _aten._local_scalar_dense.default: "reads a number back from the device (.item(), float(), int(), if)",
    _aten.is_nonzero.default: "decides by a tensor's value",
    _aten.equal.default: "decides by a tensor's value",
    _aten.nonzero.default: "has a result whose size depends on values (a mask, nonzero)",
    _aten.masked_select.default: "has a result whose size depends on values (a mask, nonzero)",
    _aten.unique_dim.default: "has a result whose size depends on values",
    _aten._unique2.default: "has a result whose size depends on values",
}
"""Operations that make the host wait for the device, and what the line does that calls them."""
_OURS = Path(__file__).parents[1]
_RECORDERS = ("replay.py", "cuda_graph.py", "fault.py", "checks.py", "cuda_rules.py", "fake_device.py")
_NOT_OF_THE_STEP = (
    str(Path(torch.__file__).parent),
    "<",
    *(str(Path(__file__).with_name(name)) for name in _RECORDERS),
)


class WaitsForDeviceError(RuntimeError):
    """A line of the step waits for the device."""


def waits_for_device(func: Any, args: tuple[Any, ...]) -> str:
    """What a line does that makes the host wait for the device by this operation; an empty string if it does not."""
    if func in (_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default) and any(
        isinstance(index, torch.Tensor) and index.dtype == torch.bool for index in args[1]
    ):
        return _READS_BACK[_aten.nonzero.default]
    return _READS_BACK.get(func, "")


def describe_fault(error: BaseException) -> str:
    """`cartoon_dist/losses/content.py:12 reads a number back from the device (...)`."""
    what = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if not isinstance(error, WaitsForDeviceError):
        what = f"{type(error).__name__}: {what}"
    return f"{line_of_error(error)} {what}"


def line_of_error(error: BaseException) -> str:
    """The innermost line that is not torch's, as `FILE:LINE`."""
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return _innermost(reversed(lines)) or "the step"


def current_line() -> str:
    """The line that called torch just now, as `FILE:LINE`; of a backward the one that began it."""
    frames = traceback.walk_stack(sys._getframe(1))
    return _innermost((frame.f_code.co_filename, line) for frame, line in frames)


def _innermost(lines: Iterable[tuple[str, int]]) -> str:
    """The first of the lines that is neither torch's nor the recorder's."""
    for name, line in lines:
        if not name.startswith(_NOT_OF_THE_STEP):
            path = Path(name)
            return f"{path.relative_to(_OURS.parent) if path.is_relative_to(_OURS) else path}:{line}"
    return ""
