"""What a run folder holds, read for a person to look at: a piece that is missing or damaged is said, not raised.

A run that is going on, was killed or was copied half is still worth a look.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cartoon_dist.config import overrides
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.format.manifest import read_manifest
from cartoon_dist.data.remote.fetch import at_hand
from cartoon_dist.errors import CartoonError
from cartoon_dist.files.atomic import MAX_RECORD_BYTES, read_regular
from cartoon_dist.files.json_values import as_number
from cartoon_dist.files.json_yaml import json_text
from cartoon_dist.metrics import score_file
from cartoon_dist.report.curves import Series, Values
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.metrics_file import record_of

_SAMPLE = re.compile(r"step-(\d{1,15})\.png")
_CHECKPOINT = re.compile(r"step-(\d{1,15})")


@dataclass(frozen=True)
class Records:
    """metrics.jsonl by its columns: one row a step, in the order of the steps."""

    rows: tuple[Mapping[str, Any], ...] = ()
    num_damaged: int = 0

    @property
    def steps(self) -> Values:
        return np.array([row["step"] for row in self.rows], np.float64)

    def names(self, prefix: str) -> list[str]:
        """The figures whose names begin so, in the order in which they first appear."""
        return list(dict.fromkeys(name for row in self.rows for name in row if name.startswith(prefix)))

    def series(self, name: str) -> Series:
        """A figure over the run; where a record lacks it there is a gap."""
        return Series(name, self.steps, np.array([as_number(row.get(name)) for row in self.rows], np.float64))

    def warmup_steps(self) -> float:
        """The last step of the warm-up that is on record, or 0."""
        return max((float(row["step"]) for row in self.rows if row.get("phase") == "warmup"), default=0.0)


@dataclass(frozen=True)
class Scored:
    """The scores of the run itself (an empty label) or of a run inside it, by its folder's name."""

    label: str
    scores: list[dict[str, Any]]


@dataclass(frozen=True)
class Findings:
    """All that is known of a run, and in `notes` what is missing or damaged."""

    run: RunFolder
    records: Records
    pictures: list[tuple[int, Path]]
    scored: list[Scored]
    settings: dict[str, Any]
    ended: dict[str, Any]
    counts: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def setting(self, path: str) -> Any:
        """A setting of the run by its dotted path, or its default."""
        flat = overrides.flatten(self.settings)
        return flat.get(path, overrides.flatten(defaults()).get(path))


def find(run: RunFolder) -> Findings:
    """Read what a run folder holds."""
    notes: list[str] = []
    settings = _settings(run, notes)
    return Findings(
        run=run,
        records=_records(run.metrics, notes),
        pictures=pictures(run),
        scored=_scored(run, notes),
        settings=settings,
        ended=_object(run.exit, notes),
        counts=_counts(run, settings),
        notes=notes,
    )


def defaults() -> dict[str, Any]:
    """The settings of a run that sets nothing."""
    return overrides.plain(TrainSettings(run_dir=""))


def records(content: bytes) -> Records:
    """The records of metrics.jsonl; of a step written twice the later one. A line that is none is counted."""
    rows, num_damaged = {}, 0
    for line in content.split(b"\n"):
        if not line.strip():
            continue
        try:
            row = record_of(line)
            rows[row["step"]] = row
        except ValueError:
            num_damaged += 1
    return Records(tuple(rows[step] for step in sorted(rows)), num_damaged)


def pictures(run: RunFolder) -> list[tuple[int, Path]]:
    """The run's sample pictures by step."""
    found = [(_SAMPLE.fullmatch(path.name), path) for path in run.sample(0).parent.glob("step-*.png")]
    return sorted((int(match[1]), path) for match, path in found if match)


def _records(path: Path, notes: list[str]) -> Records:
    found = records(_content(path, notes))
    if found.num_damaged:
        lines = "1 line is" if found.num_damaged == 1 else f"{found.num_damaged} lines are"
        notes.append(f"{path.name}: {lines} damaged and left out (a killed process leaves its last one so)")
    return found


def _settings(run: RunFolder, notes: list[str]) -> dict[str, Any]:
    if not run.config.exists():
        notes.append("config.yaml is missing: the settings are not known")
        return {}
    try:
        return overrides.load(run.config)
    except CartoonError as error:
        notes.append(f"config.yaml is damaged: the settings are not known ({error})")
        return {}


def _scored(run: RunFolder, notes: list[str]) -> list[Scored]:
    inner = sorted(path for path in run.root.iterdir() if path.is_dir()) if run.root.is_dir() else []
    inside = [RunFolder(path) for path in inner if RunFolder(path).config.exists()]
    found = []
    for label, folder in [("", run), *((each.root.name, each) for each in inside)]:
        try:
            held = score_file.read(folder.scores)
        except (CartoonError, OSError) as error:
            notes.append(f"scores cannot be read: {error}")
            continue
        if held:
            found.append(Scored(label, held))
    return found


def _counts(run: RunFolder, settings: Mapping[str, Any]) -> dict[str, str]:
    """Each domain's samples as its shards count them, where they are the shards that the run was trained on."""
    trained_on = _fingerprints(run)
    flat, counts = overrides.flatten(settings), {}
    for domain in ("photos", "cartoons"):
        try:
            place = at_hand(str(flat[f"data.{domain}"]), str(flat.get("data.cache", "")))
            manifest = read_manifest(place)
        except (KeyError, OSError, CartoonError):
            continue
        if trained_on.get(domain, manifest.fingerprint()) == manifest.fingerprint():
            train, test = (sum(getattr(shard, f"num_{split}") for shard in manifest.shards) for split in _SPLITS)
            counts[domain] = f"{train:,} to train on, {test:,} held out"
    return counts


_SPLITS = ("train", "test")


def _fingerprints(run: RunFolder) -> dict[str, str]:
    """Hashes of the shards, as the newest checkpoint names them."""
    found = sorted(path for path in run.root.glob("step-*") if _CHECKPOINT.fullmatch(path.name))
    held = _object(found[-1] / "manifest.json", []).get("data") if found else {}
    return {str(name): str(value) for name, value in held.items()} if isinstance(held, dict) else {}


def _object(path: Path, notes: list[str]) -> dict[str, Any]:
    """A JSON file's object; an empty one when there is no such file."""
    text = _content(path, notes).decode("utf-8", errors="replace")
    try:
        held = json_text(text) if text else {}
    except ValueError:
        held = None
    if not isinstance(held, dict):
        notes.append(f"{path.name} is damaged")
        return {}
    return held


def _content(path: Path, notes: list[str]) -> bytes:
    try:
        return read_regular(path, max_bytes=MAX_RECORD_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        notes.append(f"{path.name} cannot be read ({error.strerror})")
        return b""
