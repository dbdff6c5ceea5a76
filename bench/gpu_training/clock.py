"""The minutes of one result, over all starts of the command: what was used is written down as it passes."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartoon_dist.files.atomic import write_json
from cartoon_dist.files.json_yaml import ParseError, read_json

_SAVE_SECONDS = 1.0


class Clock:
    """Counts from now on, after what the file says was used before. The time between two starts does not count."""

    def __init__(self, file: Path, *, minutes: float) -> None:
        self._file, self._minutes, self._begun = file, minutes, time.monotonic()
        self._before = _used(file)

    @property
    def used_seconds(self) -> float:
        """By all starts so far."""
        return self._before + time.monotonic() - self._begun

    @property
    def left_seconds(self) -> float:
        """Until the minutes are over; never below 0."""
        return max(0.0, self._minutes * 60 - self.used_seconds)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Write what is used every second in this block, so that a kill at any time costs no more."""
        ended = threading.Event()

        def write() -> None:
            while not ended.wait(_SAVE_SECONDS):
                self._write()

        thread = threading.Thread(target=write, daemon=True)
        self._write()
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._write()

    def _write(self) -> None:
        write_json(self._file, {"minutes": self._minutes, "used_seconds": round(self.used_seconds, 1)})


def _used(file: Path) -> float:
    try:
        return float(read_json(file)["used_seconds"])
    except (OSError, ParseError, KeyError, TypeError, ValueError, json.JSONDecodeError):
        return 0.0
