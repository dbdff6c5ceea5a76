"""Why a step cannot be recorded, in words, with the line it is about."""

import traceback
from pathlib import Path
from typing import Any

import torch

_aten = torch.ops.aten
READS_BACK = {
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


class ReadsBackError(RuntimeError):
    """A line of the step waits for the device."""

    def __init__(self, func: Any) -> None:
        super().__init__(READS_BACK[func])


def in_words(error: BaseException) -> str:
    """`cartoon_dist/losses/content.py:12 reads a number back from the device (...)`."""
    what = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if not isinstance(error, ReadsBackError):
        what = f"{type(error).__name__}: {what}"
    return f"{place(error)} {what}"


def place(error: BaseException) -> str:
    """The innermost line that is not torch's, as `FILE:LINE`."""
    frames = traceback.extract_tb(error.__traceback__)
    return line_of(frames) or "the step"


def line_of(frames: traceback.StackSummary) -> str:
    """The innermost line of the frames that is neither torch's nor the recorder's."""
    torchs, here = str(Path(torch.__file__).parent), Path(__file__).parent
    recorders = {str(here / name) for name in ("replay.py", "cuda_graph.py", "fault.py", "capture_check.py")}
    for frame in reversed(frames):
        if not frame.filename.startswith((torchs, "<")) and frame.filename not in recorders:
            path = Path(frame.filename)
            named = path.relative_to(_OURS.parent) if path.is_relative_to(_OURS) else path
            return f"{named}:{frame.lineno}"
    return ""
