"""What of a run is sent to a tracker, read from the run folder: figures, pictures, scores, settings. Nothing secret:
folders are bare names, as in exports."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cartoon_dist.config import overrides
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, open_regular
from cartoon_dist.files.json_yaml import ParseError, read_json
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.metrics_file import parse_line

PLACES = frozenset({"run_dir", "init_from", "weights_folder", "data.photos", "data.cartoons", "data.cache"})
"""Settings that name a folder or a URL: only the last part of it is sent."""
_SAMPLE = re.compile(r"step-(\d{7,15})\.png")


@dataclass
class MetricsReader:
    """Reads the lines of a run's metrics.jsonl that were added since the last time. The file only grows while the
    reader lives; a run that goes on cuts it before it starts its trackers."""

    path: Path
    offset: int = 0

    def new_records(self) -> list[dict[str, Any]]:
        """The new whole records; damaged lines are left out, as everywhere. OSError where the file cannot be read."""
        try:
            with open_regular(self.path, max_bytes=MAX_RECORD_BYTES) as file:
                file.seek(self.offset)
                content = file.read()
        except FileNotFoundError:
            return []
        whole, end, _ = content.rpartition(b"\n")
        self.offset += len(whole) + len(end)
        records = []
        for line in whole.split(b"\n"):
            try:
                records.append(parse_line(line))
            except ValueError:
                continue
        return records


def figures_of(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a record of metrics.jsonl, by the names they have there; the step is left out."""
    return {
        name: value
        for name, value in record.items()
        if name != "step" and isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def new_pictures(run: RunFolder, after: int) -> list[tuple[int, Path]]:
    """The sample pictures of the steps after `after`, each with its step, in order."""
    folder = run.sample(0).parent
    try:
        found = [(int(match[1]), path) for path in folder.iterdir() if (match := _SAMPLE.fullmatch(path.name))]
    except FileNotFoundError:
        return []
    return sorted((step, path) for step, path in found if step > after)


def new_scores(run: RunFolder, sent: list[str]) -> Iterator[tuple[str, int, dict[str, float]]]:
    """The scores in scores.json that are not among the digests `sent`: the digest, the step, and the value by its name,
    `score/METRIC/WEIGHTS/PHOTOS`, for instance `score/fid/ema/test`. ParseError where the file is damaged."""
    for score in _scores(run):
        digest = hashlib.sha256(json.dumps(score, sort_keys=True).encode()).hexdigest()[:16]
        metric, value, step = score.get("metric"), score.get("value"), score.get("step")
        if digest in sent or not isinstance(metric, str) or not isinstance(step, int):
            continue
        if not isinstance(value, (int, float)):
            continue  # an earlier release's score that was not finite
        protocol = _mapping(score.get("protocol"))
        parts = [metric, protocol.get("weights"), _mapping(protocol.get("photos")).get("split")]
        yield digest, step, {"/".join(["score", *(str(part) for part in parts if part)]): float(value)}


def _scores(run: RunFolder) -> list[dict[str, Any]]:
    try:
        scores = read_json(run.scores)
    except FileNotFoundError:
        return []
    if not isinstance(scores, list):
        raise ParseError(f"{run.scores}: is no list of scores")
    return [score for score in scores if isinstance(score, dict)]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def settings_to_send(settings: TrainSettings) -> dict[str, Any]:
    """All settings by their dotted paths, for instance `loss.content.weight`; folders as bare names."""
    flat = overrides.flatten(overrides.to_dict(settings))
    return {path: _bare_name(value) if path in PLACES and value else value for path, value in flat.items()}


def _bare_name(place: str) -> str:
    """The last part of a path or a URL, without a query, which might hold a secret."""
    return Path(urlsplit(place).path if "://" in place else place).name
