"""The file of results: one JSON object a line; lines are only ever appended."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.gpu_proof.plan import ROOT
from cartoon_dist.files.descriptors import read_at
from cartoon_dist.files.json_values import nan_to_none

FILE_NAME = "gpu_proof.jsonl"
NOT_RUN = "not run: no time left"
"""The failure of a stage that did not fit."""
Line = dict[str, Any]


@dataclass(frozen=True)
class Session:
    """One call of the command: `name` stands in each of its lines, and names its folder of logs and files in `out`.

    rehearse and without, as on the command line, stand in each line where they are set.
    """

    out: Path
    name: str
    rehearse: bool = False
    without: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        """Where its lines go."""
        return self.out / FILE_NAME

    @property
    def folder(self) -> Path:
        """Its logs, and what its stages write."""
        return self.out / self.name

    def append(self, **fields: Any) -> Line:
        """Add a line at once; a line that an earlier process left half written is ended first.

        The checkout's own path is left out of what is written, so that the file can be kept in a repository.
        """
        line = {"session": self.name, "date": f"{datetime.now(UTC):%FT%TZ}", **fields}
        line |= {"rehearsal": True} if self.rehearse else {}
        line |= {"without": list(self.without)} if self.without else {}
        text = json.dumps(nan_to_none(line), default=str, allow_nan=False).replace(f"{ROOT}/", "") + "\n"
        handle = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(handle).st_size
            if size and read_at(handle, 1, size - 1) != b"\n":
                text = "\n" + text
            os.write(handle, text.encode())
        finally:
            os.close(handle)
        return line


def headline(failure: str) -> str:
    """A failure in one line: the last of a traceback, otherwise the first."""
    lines = [line for line in failure.strip().splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def new_session(out: Path, *, rehearse: bool = False, without: tuple[str, ...] = ()) -> Session:
    """A session with a name of its own: the time it began, numbered where that is taken."""
    out.mkdir(parents=True, exist_ok=True)
    begun = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for attempt in range(1, 1000):
        session = Session(out, begun if attempt == 1 else f"{begun}-{attempt}", rehearse, without)
        try:
            session.folder.mkdir()
        except FileExistsError:
            continue
        return session
    raise FileExistsError(f"{out}: holds a thousand sessions of {begun}")


def read_lines(files: Iterable[Path]) -> list[Line]:
    """All whole lines of the files, in order; what a killed process left half written is passed over."""
    lines: list[Line] = []
    for file in files:
        for text in file.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict):
                lines.append(line)
    return lines
