"""What a run folder holds, for a person to look at: what is missing or damaged is noted, not raised.

A run that is going on, was killed or was copied in part is still worth a look.
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
from cartoon_dist.data.remote.fetch import local_folder
from cartoon_dist.errors import CartoonError
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, read_regular
from cartoon_dist.files.json_values import float_or_nan
from cartoon_dist.files.json_yaml import parse_json
from cartoon_dist.metrics import score_file
from cartoon_dist.report.curves import Series, Values
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.metrics_file import parse_line

_SAMPLE = re.compile(r"step-(\d{1,15})\.png")
_CHECKPOINT = re.compile(r"step-(\d{1,15})")
_SPLITS = ("train", "test")


@dataclass(frozen=True)
class Records:
    """The records of metrics.jsonl, one a step, in the order of the steps."""

    rows: tuple[Mapping[str, Any], ...] = ()
    num_damaged: int = 0

    @property
    def steps(self) -> Values:
        return np.array([row["step"] for row in self.rows], np.float64)

    def names(self, prefix: str) -> list[str]:
        """The metrics whose names begin with `prefix`, in the order in which they first appear."""
        return list(dict.fromkeys(name for row in self.rows for name in row if name.startswith(prefix)))

    def series(self, name: str) -> Series:
        """A metric over the run; where a record lacks it there is a gap."""
        return Series(name, self.steps, np.array([float_or_nan(row.get(name)) for row in self.rows], np.float64))

    def warmup_steps(self) -> float:
        """The last step of the warm-up that is on record, or 0."""
        return max((float(row["step"]) for row in self.rows if row.get("phase") == "warmup"), default=0.0)


@dataclass(frozen=True)
class FolderScores:
    """The scores of the run itself (an empty label) or of a run inside it (its folder's name)."""

    label: str
    scores: list[dict[str, Any]]


@dataclass(frozen=True)
class RunSummary:
    """All that is known of a run, and in `notes` what is missing or damaged.

    pictures: the sample pictures by step. exit_record: what exit.json says. sample_counts: in words, by domain.
    """

    run: RunFolder
    records: Records
    pictures: list[tuple[int, Path]]
    scores: list[FolderScores]
    settings: dict[str, Any]
    exit_record: dict[str, Any]
    sample_counts: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def setting(self, path: str) -> Any:
        """A setting of the run by its dotted path, or its default."""
        flat = overrides.flatten(self.settings)
        return flat.get(path, overrides.flatten(default_settings()).get(path))


def summarize_run(run: RunFolder) -> RunSummary:
    """Read what a run folder holds."""
    notes: list[str] = []
    settings = _settings(run, notes)
    return RunSummary(
        run=run,
        records=_records(run.metrics, notes),
        pictures=sample_pictures(run),
        scores=_scores(run, notes),
        settings=settings,
        exit_record=_json_object(run.exit, notes),
        sample_counts=_sample_counts(run, settings),
        notes=notes,
    )


def default_settings() -> dict[str, Any]:
    """The settings of a run that sets nothing."""
    return overrides.to_dict(TrainSettings(run_dir=""))


def parse_records(content: bytes) -> Records:
    """The records of metrics.jsonl; of a step written twice the later one. Damaged lines are left out and counted."""
    rows, num_damaged = {}, 0
    for line in content.split(b"\n"):
        if not line.strip():
            continue
        try:
            row = parse_line(line)
            rows[row["step"]] = row
        except ValueError:
            num_damaged += 1
    return Records(tuple(rows[step] for step in sorted(rows)), num_damaged)


def sample_pictures(run: RunFolder) -> list[tuple[int, Path]]:
    """The run's sample pictures by step."""
    matches = [(_SAMPLE.fullmatch(path.name), path) for path in run.sample(0).parent.glob("step-*.png")]
    return sorted((int(match[1]), path) for match, path in matches if match)


def _records(path: Path, notes: list[str]) -> Records:
    records = parse_records(_content(path, notes))
    if records.num_damaged:
        lines = "1 line is" if records.num_damaged == 1 else f"{records.num_damaged} lines are"
        notes.append(f"{path.name}: {lines} damaged and left out (a killed process leaves its last one so)")
    return records


def _settings(run: RunFolder, notes: list[str]) -> dict[str, Any]:
    if not run.config.exists():
        notes.append("config.yaml is missing: the settings are not known")
        return {}
    try:
        return overrides.load_yaml(run.config)
    except CartoonError as error:
        notes.append(f"config.yaml is damaged: the settings are not known ({error})")
        return {}


def _scores(run: RunFolder, notes: list[str]) -> list[FolderScores]:
    folders = sorted(path for path in run.root.iterdir() if path.is_dir()) if run.root.is_dir() else []
    inner_runs = [RunFolder(path) for path in folders if RunFolder(path).config.exists()]
    all_scores = []
    for label, folder in [("", run), *((inner.root.name, inner) for inner in inner_runs)]:
        try:
            scores = score_file.read_scores(folder.scores)
        except (CartoonError, OSError) as error:
            notes.append(f"scores cannot be read: {error}")
            continue
        if scores:
            all_scores.append(FolderScores(label, scores))
    return all_scores


def _sample_counts(run: RunFolder, settings: Mapping[str, Any]) -> dict[str, str]:
    """Each domain's samples as its shards count them, where they are the shards that the run was trained on."""
    trained_on = _fingerprints(run)
    flat, counts = overrides.flatten(settings), {}
    for domain in ("photos", "cartoons"):
        try:
            place = local_folder(str(flat[f"data.{domain}"]), str(flat.get("data.cache", "")))
            manifest = read_manifest(place)
        except (KeyError, OSError, CartoonError):
            continue
        if trained_on.get(domain, manifest.fingerprint()) == manifest.fingerprint():
            train, test = (sum(getattr(shard, f"num_{split}") for shard in manifest.shards) for split in _SPLITS)
            counts[domain] = f"{train:,} to train on, {test:,} held out"
    return counts


def _fingerprints(run: RunFolder) -> dict[str, str]:
    """Hashes of the shards, as the newest checkpoint names them."""
    checkpoints = sorted(path for path in run.root.glob("step-*") if _CHECKPOINT.fullmatch(path.name))
    hashes = _json_object(checkpoints[-1] / "manifest.json", []).get("data") if checkpoints else {}
    return {str(name): str(value) for name, value in hashes.items()} if isinstance(hashes, dict) else {}


def _json_object(path: Path, notes: list[str]) -> dict[str, Any]:
    """A JSON file's object; an empty one when there is no such file."""
    text = _content(path, notes).decode("utf-8", errors="replace")
    try:
        parsed = parse_json(text) if text else {}
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        notes.append(f"{path.name} is damaged")
        return {}
    return parsed


def _content(path: Path, notes: list[str]) -> bytes:
    try:
        return read_regular(path, max_bytes=MAX_RECORD_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        notes.append(f"{path.name} cannot be read ({error.strerror})")
        return b""
