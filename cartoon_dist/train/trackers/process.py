"""The process that follows a run for one tracker; `follow.py` starts it: `python -m ... NAME RUN SECONDS`.

A byte on standard input says that the run folder holds something new, `FINISHED` that the run has ended; where the pipe
ends without it, training was killed. What a user should read goes to standard output, a line each.
"""

import os
import re
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cartoon_dist.config.reading import check
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.escape import escape_line, truncated
from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.json_yaml import read_yaml
from cartoon_dist.files.locks import lock_file
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.trackers import progress as progresses
from cartoon_dist.train.trackers.sent_values import (
    MetricsReader,
    figures_of,
    new_pictures,
    new_scores,
    settings_to_send,
)

NEWS, FINISHED = b"n", b"f"
_RETRY_SECONDS = 60.0
_LAST_SECONDS = 90.0
"""How long this process lives after the end of training, whatever its library waits for."""
_SETTLED_SECONDS = 5.0
"""After so long what a library was given has left this process, or lies in the library's own files."""
_MAX_LINES = 10
_ROWS_A_SAVE = 50
_SECRET_NAME = re.compile(r"(?i)key|token|secret|passw")
_MIN_SECRET = 8
_IN_URL = re.compile(r"(?i)(://)[^/@\s]+@|([?&][\w-]*(?:token|key|secret|passw)[\w-]*=)[^&\s]+")


class Sender:
    """Sends what a run folder holds and the tracker does not have yet.

    A failure is told once and tried again later, as the folder still holds what was not sent.
    """

    def __init__(self, name: str, run: RunFolder, tell: Callable[[str], None]) -> None:
        self.name = name
        self.run = run
        self.tell = tell
        self.reader = MetricsReader(run.metrics)
        self.records: deque[dict[str, Any]] = deque()
        self.tracker: Any = None
        self.has_sent_settings = False
        self.has_failed = False
        self.retry_at = 0.0
        self.sent_at = time.monotonic()

    def catch_up(self, *, last: bool = False) -> None:
        """Begin at the tracker if that is not done, and send all that is new. last: try also if it failed just now."""
        if time.monotonic() < self.retry_at and not last:
            return
        try:
            if not self.has_sent_settings:
                self._begin(settings_to_send(check(TrainSettings, read_yaml(self.run.config))))
            self._send()
        # Whatever a library raises, also where it means to end the process, must not end the following of the run.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            self._failed(error)
        else:
            if self.has_failed:
                self.tell("sends again; nothing is missing")
            self.has_failed = False

    def finish(self, *, killed: bool) -> None:
        """Send the rest and end the run at the tracker."""
        self.catch_up(last=True)
        if self.tracker is None:
            return
        try:
            self.tracker.finish(killed=killed)
            self._save()
        except (Exception, SystemExit) as error:  # noqa: BLE001
            self._failed(error)

    def _begin(self, settings: Mapping[str, Any]) -> None:
        """Begin or go on at the tracker, and send the settings; what of this was done stays done when it fails."""
        if self.tracker is None:
            self._find_run(settings)
        self.tracker.send_settings(settings)
        self.has_sent_settings = True
        self.tell(f"run {self.progress.name} of project {self.progress.project}, {self.tracker.place()}")

    def _find_run(self, settings: Mapping[str, Any]) -> None:
        project = settings["track_project"]
        known = progresses.load(self.run, self.name)
        self.progress = known or progresses.begin(self.run, self.name, project)
        if known is None:
            self._save()
        elif known.project != project:
            self.tell(f"goes on in project {known.project}, where it began")
        # Imported here: it takes seconds, and what fails in it is told like all else.
        from cartoon_dist.train.trackers import accelerate_trackers

        self.tracker = accelerate_trackers.begin(self.name, self.run, self.progress, settings)
        self._save()

    def _send(self) -> None:
        # Where a library sends behind our back, the last rows are kept as sent only when they surely are: what is
        # killed before that sends them again, rather than never.
        if time.monotonic() - self.sent_at > _SETTLED_SECONDS:
            self._save()
        try:
            self._send_figures()
            for step, picture in new_pictures(self.run, self.progress.picture):
                self.tracker.send_picture(step, picture, self.progress.num_rows)
                self.progress.picture = step
                self.progress.num_rows += 1
            for digest, step, score in new_scores(self.run, self.progress.scores):
                self.tracker.send_figures(step, score, self.progress.num_rows)
                self.progress.scores.append(digest)
                self.progress.num_rows += 1
        finally:
            self.sent_at = time.monotonic()
            if self.tracker.sends_at_once:
                self._save()

    def _send_figures(self) -> None:
        self.records += self.reader.new_records()
        while self.records:
            record = self.records[0]
            # A run that went on does the steps after its checkpoint again: they are the same, and sent already.
            if record["step"] > self.progress.step:
                self.tracker.send_figures(record["step"], figures_of(record), self.progress.num_rows)
                self.progress.step = record["step"]
                self.progress.num_rows += 1
                if self.tracker.sends_at_once and self.progress.num_rows % _ROWS_A_SAVE == 0:
                    self._save()
            self.records.popleft()

    def _save(self) -> None:
        progresses.save(self.run, self.name, self.progress)

    def _failed(self, error: BaseException) -> None:
        self.retry_at = time.monotonic() + _RETRY_SECONDS
        if not self.has_failed:
            self.tell(f"warning: {reason_of(error)}; the run folder has all of it, and what is missing is sent later")
        self.has_failed = True


def reason_of(error: BaseException) -> str:
    """What an error says, on one line and without secrets."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return truncated(escape_line(without_secrets(text)), 300)


def without_secrets(text: str) -> str:
    """A text without values of the environment that are secrets by their names, and without what a URL says before an
    @ or as a token."""
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= _MIN_SECRET:
            text = text.replace(value, "***")
    return _IN_URL.sub(lambda match: f"{match[1] or ''}{match[2] or ''}***" + ("@" if match[1] else ""), text)


def main(argv: Sequence[str]) -> int:
    """Follow the run until standard input ends; the exit status."""
    name, run, lock_seconds = argv[0], RunFolder(Path(argv[1])), float(argv[2])
    tell = _take_output()
    if hasattr(os, "nice"):
        os.nice(5)  # training comes first
    try:
        progresses.progress_file(run, name).parent.mkdir(exist_ok=True)
        with lock_file(progresses.progress_file(run, name), CheckpointError, seconds=lock_seconds):
            _follow(Sender(name, run, tell))
    except CheckpointError:
        tell("another process follows this run and sends what is new")
    except OSError as error:
        tell(f"warning: {reason_of(error)}; the run is not followed there")
    return 0


def _follow(sender: Sender) -> None:
    sender.catch_up()
    while True:
        told = os.read(0, 4096)
        if not told or FINISHED in told:
            break
        sender.catch_up()
    timer = threading.Timer(_LAST_SECONDS, _end)
    timer.daemon = True
    timer.start()
    sender.finish(killed=FINISHED not in told)


def _take_output() -> Callable[[str], None]:
    """Keep standard output for our own few lines; what libraries print goes nowhere, nor to what they start."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    num_left = _MAX_LINES

    def tell(line: str) -> None:
        nonlocal num_left
        if num_left > 0:
            num_left -= 1
            try:
                own.write(f"{escape_line(without_secrets(line))}\n")
                own.flush()
            except OSError:
                pass  # training is gone

    return tell


def _end() -> None:
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
