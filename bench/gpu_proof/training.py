"""Stage `training`: from pictures to a score by the real commands, each a process with what is left of the time.

The pictures are those of shards/samples at 64 px and the networks narrow, so that it takes a minute; VGG's weights are
not needed. The score needs pretrained features: without them in `weights/` it is left out, with the reason.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.gpu_proof import switches
from bench.gpu_proof.plan import ROOT
from bench.gpu_proof.processes import run_limited
from bench.gpu_proof.task import StageError, Task

SAMPLES = ROOT / "shards" / "samples"
WEIGHTS = ROOT / "weights"
PHOTO = SAMPLES / "photos" / "picos.jpg"
FEW_PHOTOS = ("free", "reef-1", "wine", "picos", "bridge")
FEW_CARTOONS = ("club", "meadow", "uni")
"""Pictures of a rehearsal."""
TRAIN_SHARE = 0.4
"""Of the time that is left after the shards: the training stops at it by itself, saves, and ends with status 75."""
STOPPED = 75
KEPT_SECONDS = 3.0
_SMALL = (
    "model.channels={channels} model.num_blocks={blocks} batch_size={batch} warmup.steps={warmup} max_steps={steps}"
)


class Command(NamedTuple):
    """A command of the repository.

    words: its script and what follows. good: the statuses with which it has done its work.
    """

    name: str
    words: tuple[str, ...]
    good: tuple[int, ...] = (0,)


def run(task: Task) -> dict[str, Any]:
    """Status and seconds of each command, images a second, the scores; StageError at the first that fails."""
    folder = task.folder / "training"
    folder.mkdir()
    found: dict[str, Any] = {"commands": {}}
    for command in commands(task, folder):
        seconds = task.seconds_left - KEPT_SECONDS
        log = folder / f"{command.name}.log"
        if seconds < 1:
            raise StageError(f"{command.name}: not run: no time left", found)
        ended = run_limited([sys.executable, *command.words], seconds=seconds, log=log, cwd=ROOT)
        found["commands"][command.name] = {"status": ended.status, "seconds": round(ended.seconds, 1)}
        task.append("command", command=command.name, status=ended.status, seconds=round(ended.seconds, 1))
        if not ended.in_time or ended.status not in command.good:
            why = f"status {ended.status}" if ended.in_time else f"stopped after {seconds:.0f} s"
            said = log.read_text(encoding="utf-8", errors="replace")
            raise StageError(f"{command.name}: {why}\n{' '.join(command.words)}\n{said}", found)
        found |= _results_of(command.name, folder)
    drawing = task.folder / "drawing.png"
    shutil.copyfile(folder / "drawing.png", drawing)
    without_score = {} if "scores" in found else {"no_score_because": _missing_weights()}
    return found | without_score | {"drawing": f"{task.session.name}/{drawing.name}"}


def commands(task: Task, folder: Path) -> Iterator[Command]:
    """The commands in order; made one by one, as the training's time is what the shards have left."""
    size, device = (16, "device=cpu") if task.rehearse else (64, "device=cuda")
    chosen = (f"image_size={size}", "test_fraction=0.3", *(("num_workers=1",) if task.rehearse else ()))
    for domain, few in (("photos", FEW_PHOTOS), ("cartoons", FEW_CARTOONS)):
        pictures = [str(SAMPLES / domain / f"{name}.jpg") for name in few] if task.rehearse else [str(SAMPLES / domain)]
        yield Command(domain, (f"shards/{domain}.py", *pictures, str(folder / domain), *chosen))
    run_folder, config = str(folder / "run"), folder / "training.yaml"
    config.write_text(f"image_size: {size}\n", encoding="utf-8")
    yield Command("train", ("launch/train.py", str(config), *_training_words(task, folder)), good=(0, STOPPED))
    if not _missing_weights():
        words = (run_folder, "score.features=efficientnet_lite0", f"weights_folder={WEIGHTS}", "score.subsamples=0")
        content = f"score.content={str((WEIGHTS / 'vgg16.ckpt').is_file() and not task.rehearse).lower()}"
        yield Command("fid", ("launch/fid.py", *words, content, device))
    yield Command("cartoonize", ("launch/cartoonize.py", run_folder, str(PHOTO), str(folder / "drawing.png"), device))
    yield Command("export", ("launch/export.py", run_folder, str(folder / "generator.safetensors")))


def _training_words(task: Task, folder: Path) -> list[str]:
    sizes = (
        {"channels": 2, "blocks": 1, "batch": 1, "warmup": 1, "steps": 6}
        if task.rehearse
        else {"channels": 16, "blocks": 4, "batch": 8, "warmup": 200, "steps": 4000}
    )
    hours = max(1.0, TRAIN_SHARE * task.seconds_left) / 3600
    words = [*_SMALL.format(**sizes).split(), f"max_hours={hours:.6f}", f"run_dir={folder / 'run'}"]
    words += [f"data.photos={folder / 'photos'}", f"data.cartoons={folder / 'cartoons'}", "loss.content.weight=0"]
    words += ["warmup.loss=pixel", "precision=bf16", "capture.mode=iteration", "capture.require=true", "epochs=100000"]
    words += [f"device={'cpu' if task.rehearse else 'cuda'}", f"log_every={1 if task.rehearse else 20}"]
    words += [f"data.num_workers={0 if task.rehearse else 4}", *switches.settings(task.without)]
    words += ["data.keep=auto"] * ("keep" not in task.without)
    return words


def _missing_weights() -> str:
    files = list(WEIGHTS.glob("efficientnet-lite0-*.pth"))
    return (
        "" if files else "weights/ holds no efficientnet_lite0; run: python launch/weights.py fetch efficientnet_lite0"
    )


def _results_of(name: str, folder: Path) -> dict[str, Any]:
    run_folder = folder / "run"
    if name == "train":
        rows = [json.loads(row) for row in (run_folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        gan = [row for row in rows if row.get("phase") == "gan"]
        rates = sorted(row["images_per_second"] for row in gan if "images_per_second" in row)
        middle = rates[len(rates) // 2] if rates else None
        return {"steps": rows[-1]["step"] if rows else 0, "images_per_second": middle, "image_size": _size(run_folder)}
    if name == "fid":
        scores = json.loads((run_folder / "scores.json").read_text(encoding="utf-8"))
        return {"scores": {score["metric"]: round(score["value"], 4) for score in scores}}
    return {}


def _size(run_folder: Path) -> int | None:
    text = (run_folder / "config.yaml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("image_size:")]
    return int(lines[0].partition(":")[2]) if lines else None
