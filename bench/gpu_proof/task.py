"""The inputs of a stage, and the errors by which it reports a failure."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gpu_proof.record import Session


class StageError(Exception):
    """A stage has failed; the text is the failure, `results` what was measured nevertheless."""

    def __init__(self, failure: str, results: dict[str, Any]) -> None:
        super().__init__(failure)
        self.results = results


class NothingToCheckError(StageError):
    """This machine lacks what the stage checks."""


@dataclass(frozen=True)
class Task:
    """What a stage is to do. seconds: its limit, of which `seconds_left` is left. minutes: of the whole command."""

    stage: str
    session: Session
    seconds: float
    minutes: float
    begun: float

    @property
    def rehearse(self) -> bool:
        """Whether this is the same code on a CPU, with tiny sizes."""
        return self.session.rehearse

    @property
    def without(self) -> tuple[str, ...]:
        """The switches of this session (switches.py)."""
        return self.session.without

    @property
    def seconds_left(self) -> float:
        """Until the runner kills this process."""
        return self.begun + self.seconds - time.monotonic()

    @property
    def folder(self) -> Path:
        """Where the session keeps its files."""
        return self.session.folder

    def append(self, part: str, **fields: Any) -> None:
        """Append a result of the stage at once, as a line of its own."""
        self.session.append(stage=self.stage, part=part, **fields)
