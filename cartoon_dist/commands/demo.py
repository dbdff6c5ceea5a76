"""`launch/demo.py`: the whole path on the embedded pictures, by the commands a user types, and whether it worked.

Shards, training on two processes, a control that only warms up for as many steps, scores of the generator at each
stage, cartoons of the photos, a report. Run again, it goes on where it stopped.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartoon_dist.commands import run_subprocess
from cartoon_dist.commands.command_lines.demo import parser
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.commands.run_subprocess import launcher, typed_path
from cartoon_dist.config.run_config import read_settings
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.command_names import CLONE, scripts_typed
from cartoon_dist.console.messages import print_result
from cartoon_dist.data.inputs.search import require_outside
from cartoon_dist.errors import ConfigError, TrainingError
from cartoon_dist.files.shipped import shipped
from cartoon_dist.metrics import score_file
from cartoon_dist.report import page as report
from cartoon_dist.runs.layout import RunFolder

CONFIG = "demo"
# Squares of the whole picture and of parts of it, and every fifth scene held out: 24 photos are few.
CUT = ("crop=tile", "test_fraction=0.2")


@dataclass(frozen=True)
class Places:
    """Where the demo puts things."""

    root: Path

    def shards(self, domain: str) -> Path:
        """The shards of photos or cartoons."""
        return self.root / "shards" / domain

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.root / "run")

    @property
    def control(self) -> RunFolder:
        """Within the run, so that the run's report shows its scores beside its own."""
        return RunFolder(self.run.root / "control")

    @property
    def cartoons(self) -> Path:
        return self.root / "cartoons"


@dataclass(frozen=True)
class Stage:
    """A generator that the demo scores: its name for people, the run and the step it is of."""

    name: str
    run: RunFolder
    step: int


def main(argv: Sequence[str]) -> int:
    """Run the demo as the command line says; the exit status."""
    arguments = parser().parse_intermixed_args(argv)
    out, words = arguments.out, list(arguments.settings)
    if "=" in out:
        out, words = "runs/demo", [out, *words]
    # Scripts are typed in the project's folder; from there a short path is kept short.
    places = Places(Path(out) if Path.cwd() == _folder() else Path(out).absolute())
    stages = run(places, words)
    scores_of_stage = {stage.name: _scores_of(stage) for stage in stages}
    page = report.write(places.run)
    print(table(scores_of_stage))
    judge(scores_of_stage)
    print_result(f"{page}: pictures, curves and scores; cartoons of the photos are in {places.cartoons}")
    return EXIT_DONE


def run(places: Places, words: Sequence[str]) -> list[Stage]:
    """Every command in its turn; the stages that were scored."""
    folders = [f"data.{domain}={places.shards(domain)}" for domain in ("photos", "cartoons")]
    for domain in ("photos", "cartoons"):
        require_outside(places.root, shipped("samples") / domain, made="drawings and samples")
    settings_words = [*words, *folders]
    settings = read_settings([CONFIG, *settings_words])
    if settings.max_steps is None or settings.warmup.steps is None or settings.warmup.steps >= settings.max_steps:
        raise ConfigError("max_steps: the demo compares a warm-up with what follows it; give more than warmup.steps")
    for domain in ("photos", "cartoons"):
        _type(f"shards {domain}", _samples(domain), places.shards(domain), f"image_size={settings.image_size}", *CUT)
    # The end of the warm-up is a checkpoint, and stays.
    kept = [f"checkpoint.every={settings.warmup.steps}", f"checkpoint.keep={settings.max_steps}"]
    _train(settings_words, f"run_dir={places.run.root}", *kept, "score_at_end=true")
    _take_up_warmup(places, settings)
    longer = [f"warmup.steps={settings.max_steps}", "score_at_end=true"]
    _train(settings_words, f"run_dir={places.control.root}", *longer)
    _type("fid", places.run.root, "--untrained")
    _type("fid", places.run.checkpoint(settings.warmup.steps))
    _type("cartoonize", places.run.root, _samples("photos"), places.cartoons)
    return [
        Stage("untrained", places.run, 0),
        Stage("warmed up", places.run, settings.warmup.steps),
        Stage("control: only warmed up, as long", places.control, settings.max_steps),
        Stage("trained", places.run, settings.max_steps),
    ]


def judge(scores_of_stage: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """TrainingError unless the trained generator scores better than the untrained and the warmed-up ones, and S beats
    the best constant map on the photos it learned from."""
    distance = {name: _distance(scores) for name, scores in scores_of_stage.items()}
    failures = [
        f"the trained generator's score of {distance['trained']:.4g} is not better than the {name} one's, "
        f"{distance[name]:.4g}"
        for name in ("untrained", "warmed up")
        if not distance["trained"] < distance[name]
    ]
    labels = scores_of_stage["trained"]["saliency_l1_train"]
    if not labels["value"] < labels["protocol"]["constant_map"]:
        failures.append(
            f"the saliency network errs by {labels['value']:.4g} on the photos it learned from, the constant map by "
            f"{labels['protocol']['constant_map']:.4g}"
        )
    if failures:
        raise TrainingError(f"the demo did not work: {'; '.join(failures)}")


def table(scores_of_stage: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """A row for each stage: its score, and S's error beside the constant map's on training and on held-out photos."""
    metric = next(iter(scores_of_stage["trained"]))
    rows: list[tuple[str, ...]] = [("", metric, "label error, training photos", "label error, held-out photos")]
    for name, scores in scores_of_stage.items():
        labels = (
            f"{score['value']:.3f} (constant map {score['protocol']['constant_map']:.3f})"
            for key in ("saliency_l1_train", "saliency_l1_test")
            if (score := scores.get(key))
        )
        rows.append((name, f"{_distance(scores):.1f}", *labels))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _distance(scores: Mapping[str, Mapping[str, Any]]) -> float:
    return float(next(iter(scores.values()))["value"])


def _scores_of(stage: Stage) -> dict[str, Any]:
    """The stage's scores by their metric, the distance first."""
    return {
        score["metric"]: score for score in score_file.read_scores(stage.run.scores) if score.get("step") == stage.step
    }


def _take_up_warmup(places: Places, settings: TrainSettings) -> None:
    """Let the control go on where the run's warm-up ended: until then the two are one and the same.

    The whole state is taken over, which `init_from` does not do: it takes weights alone and begins at step 0.
    """
    assert settings.warmup.steps is not None
    begun = places.control.checkpoint(settings.warmup.steps)
    if places.control.config.exists() or begun.exists():
        return
    aside = begun.with_name(f".{begun.name}.copy")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(places.run.checkpoint(settings.warmup.steps), aside)
    aside.rename(begun)


def _train(settings_words: Sequence[str], *more: str) -> None:
    _type("train", CONFIG, *settings_words, *more, launcher=launcher("cpu", folder=_folder()))


def _type(command: str, *words: str | Path, launcher: Sequence[str] = ()) -> None:
    run_subprocess.run(command, *words, failed="the demo stopped", folder=_folder(), launcher=launcher)


def _samples(domain: str) -> str:
    return typed_path(shipped("samples") / domain, _folder())


def _folder() -> Path:
    """Where commands are typed: a clone's scripts in its folder, the console command anywhere."""
    return CLONE if scripts_typed() else Path.cwd()
