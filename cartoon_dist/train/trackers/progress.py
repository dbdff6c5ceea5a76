"""How much of a run a tracker has: the run's id there, and what was sent, in RUN/trackers/NAME.json."""

import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cartoon_dist.files.atomic import write_json
from cartoon_dist.files.json_yaml import ParseError, read_json
from cartoon_dist.runs.layout import RunFolder

_MAX_NAME = 100


@dataclass
class Progress:
    """What a job that goes on must know, to go on in the same run and to send nothing twice.

    id: the run's id at the tracker; empty until the tracker has given one. name: the run's name there. step, picture:
    the last step whose figures and whose sample picture were sent; -1 before the first. scores: digests of the scores
    sent. num_rows: how many rows of figures, pictures and scores were sent: for wandb, whose own steps must rise.
    """

    project: str
    name: str
    id: str = ""
    step: int = -1
    picture: int = -1
    scores: list[str] = field(default_factory=list)
    num_rows: int = 0


def progress_file(run: RunFolder, tracker: str) -> Path:
    """Where a tracker's progress is kept."""
    return run.root / "trackers" / f"{tracker}.json"


def begin(run: RunFolder, tracker: str, project: str) -> Progress:
    """The progress of a run that the tracker does not have yet. wandb takes an id that we choose, so that a job killed
    while it begins makes no second run; trackio knows runs by their names alone, so its names are made unlike."""
    name = re.sub(r"[^\w.-]+", "_", run.root.resolve().name, flags=re.ASCII)[:_MAX_NAME] or "run"
    if tracker == "trackio":
        name = f"{name}-{secrets.token_hex(3)}"
    return Progress(project=project, name=name, id=secrets.token_hex(8) if tracker == "wandb" else "")


def load(run: RunFolder, tracker: str) -> Progress | None:
    """The progress of a run; None where there is none. ParseError where the file is damaged, OSError where it cannot be
    read."""
    path = progress_file(run, tracker)
    try:
        values: Any = read_json(path)
        return TypeAdapter(Progress).validate_python(values)
    except FileNotFoundError:
        return None
    except (ParseError, ValidationError):
        raise ParseError(f"{path} is damaged; remove it, and a new run is begun there") from None


def save(run: RunFolder, tracker: str, progress: Progress) -> None:
    """Keep the progress, whole or not at all."""
    path = progress_file(run, tracker)
    path.parent.mkdir(exist_ok=True)
    write_json(path, asdict(progress))
