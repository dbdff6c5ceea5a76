"""OpenCV's decoder and its warnings: libjpeg and libpng print them, and still return pixels.

They print on C's `stderr`, which the GNU C library lets a program set to any other stream ("Standard Streams" in its
manual). For the time of a call it is a stream in memory: Python's own `sys.stderr` and other programs are not touched.
"""

import ctypes
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.generic]

_SILENT = 0
# OpenCV moved this function in 4.13.
_set_log_level = getattr(cv2.utils, "logging", cv2).setLogLevel
# libpng also warns about chunks that are no part of the picture; their names begin with a small letter.
_HARMLESS = re.compile(r"libpng warning: [a-z][A-Za-z]{3}:")
_PREFIX = re.compile(r"^(libpng (warning|error): |Corrupt JPEG data: )")

try:
    _libc = ctypes.CDLL(None)
    _libc.open_memstream.restype = ctypes.c_void_p
    _libc.open_memstream.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    _libc.fclose.argtypes = [ctypes.c_void_p]
    _libc.free.argtypes = [ctypes.c_void_p]
    _symbol = "__stderrp" if sys.platform == "darwin" else "stderr"
    _stderr: ctypes.c_void_p | None = ctypes.c_void_p.in_dll(_libc, _symbol)
except (OSError, TypeError, ValueError, AttributeError):  # another C library (Windows): it cannot be captured
    _stderr = None
_lock = threading.Lock()


def _new_lock() -> None:
    """For a process that was forked while another thread decoded."""
    global _lock
    _lock = threading.Lock()


_at_fork = getattr(os, "register_at_fork", None)  # Windows has no fork
if _at_fork is not None:
    _at_fork(after_in_child=_new_lock)


def read_pixels(data: bytes, flags: int) -> tuple[Pixels | None, str]:
    """The pixels that `cv2.imdecode` returns for a file, or None, and the decoder's first warning, or "".

    A warning with pixels means that some of them are not the file's: libjpeg, for one, fills missing parts with grey.
    Nothing is printed.
    """
    if not data:
        return None, "the file is empty"
    lines: list[str] = []
    with captured_stderr(lines):
        level = _set_log_level(_SILENT)  # OpenCV's own log does not use C's stderr
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            return None, " ".join(str(error.err).split())
        finally:
            _set_log_level(level)
    warnings = [_PREFIX.sub("", line) for line in lines if not _HARMLESS.match(line)]
    return (None if pixels is None else np.asarray(pixels)), warnings[0] if warnings else ""


@contextmanager
def captured_stderr(lines: list[str]) -> Iterator[None]:
    """Append the lines that C code prints on its standard error, where that is possible; costs about 5 microseconds."""
    if _stderr is None:
        yield
        return
    text, size = ctypes.c_void_p(), ctypes.c_size_t()
    with _lock:
        stream = _libc.open_memstream(ctypes.byref(text), ctypes.byref(size))
        if not stream:
            raise MemoryError
        before, _stderr.value = _stderr.value, stream
        try:
            yield
        finally:
            _stderr.value = before
            _libc.fclose(stream)
            if text.value:
                lines += ctypes.string_at(text.value, size.value).decode("utf-8", "replace").splitlines()
                _libc.free(text)
