"""What can be brought home at any second: the newest checkpoint as a model in parts, and its drawings of photos that
nobody trains on.

While a training runs this is done on the CPU, so that the GPU has nothing else to do.
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.gpu_proof.processes import kill_marked, mark_children
from bench.gpu_training import parts
from bench.gpu_training.job import Job, StageFailedError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import read_regular
from cartoon_dist.image.contact_sheet import SheetCell, contact_sheet
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.image.encode import encode

LIMIT_SECONDS = 240.0
MODEL = "generator.safetensors"
_SHEET_COLUMNS = 3
_POLL_SECONDS = 0.1
_TRIES = 5
_MAX_PICTURE_BYTES = 100_000_000


class Snapshots:
    """Of one row. `take` may be called from one thread at a time."""

    def __init__(self, job: Job, row: str) -> None:
        self.job, self.row, self.step = job, row, -1
        self.held_out = job.options.scratch / "pack" / "held_out"
        self.made = job.options.scratch / "snapshots" / row

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Take one at intervals as long as this block runs; its failures are recorded and stop nothing.

        One that is being taken when the block ends is given up: the GPU must not wait for it. This thread may start no
        process of its own in the block but the training, as the marks of processes stand in the environment.
        """
        ended = threading.Event()
        marks: list[str] = []

        def work() -> None:
            while not ended.wait(self.job.options.pace.interval):
                checkpoint = self.newest()
                if checkpoint is not None and _step(checkpoint) > self.step:
                    with mark_children() as mark:
                        marks.append(mark)
                        self.job.attempt("snapshot", self._take_newest, given_up=ended.is_set, row=self.row)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            while thread.is_alive():
                for mark in marks[-1:]:
                    kill_marked(mark)
                thread.join(_POLL_SECONDS)

    def newest(self) -> Path | None:
        """The newest checkpoint of the row's run."""
        return max(self.job.options.run_folder(self.row).glob("step-*"), key=_step, default=None)

    def _take_newest(self) -> dict[str, Any]:
        """`take` the newest checkpoint; where the training removes it meanwhile, the one that is the newest then."""
        for _ in range(_TRIES):
            checkpoint = self.newest()
            try:
                if checkpoint is not None:
                    return self.take(checkpoint, polite=True)
            except StageFailedError:
                if checkpoint is not None and checkpoint.is_dir():
                    raise
        raise StageFailedError(f"{_TRIES} checkpoints were removed by the training while they were read")

    def take(self, checkpoint: Path, *, polite: bool) -> dict[str, Any]:
        """Export a checkpoint and draw with the export; StageFailedError where that fails."""
        self.made.mkdir(parents=True, exist_ok=True)
        model = self.made / MODEL
        precision = self._export(checkpoint, model, polite=polite)
        step, out = _step(checkpoint), self.job.options.row_out(self.row)
        folder = out / f"model-{checkpoint.name}"
        parts.split(model, folder)
        shutil.copyfile(model.with_name(f"{MODEL}.md"), out / "model.md")
        for older in out.glob("model-step-*"):
            if older != folder:
                shutil.rmtree(older, ignore_errors=True)
        drawings = self._draw(model, polite=polite)
        sheet = out / "drawings" / f"{checkpoint.name}.jpg"
        write_atomically(sheet, encode(sheet_of(self.held_out, drawings), "jpg", quality=92))
        self.step = step
        return {"step": step, "model_bytes": model.stat().st_size, "precision": precision, "drawings": sheet.name}

    def _export(self, checkpoint: Path, model: Path, *, polite: bool) -> str:
        """Half precision, or as trained where that draws differently by more than two grey levels."""
        photo = sorted(self.held_out.iterdir())[0]
        words = ["launch/export.py", str(checkpoint), str(model), f"photo={photo}"]
        words += [f"weights={self.job.options.weights}", f"device={'cpu' if polite else 'auto'}"]
        for precision in ("fp16", "trained"):
            try:
                self.job.run(
                    f"export-{self.row}", [*words, f"precision={precision}"], seconds=LIMIT_SECONDS, polite=polite
                )
            except StageFailedError as error:
                if precision == "trained" or "differ from the trained" not in str(error):
                    raise
            else:
                return precision
        raise AssertionError("the loop returns or raises")

    def _draw(self, model: Path, *, polite: bool) -> Path:
        drawings = self.made / "drawings"
        shutil.rmtree(drawings, ignore_errors=True)
        words = ["launch/cartoonize.py", str(model), str(self.held_out), str(drawings), "format=jpg", "quality=92"]
        words += [f"device={'cpu' if polite else 'auto'}"]
        self.job.run(f"draw-{self.row}", words, seconds=LIMIT_SECONDS, polite=polite)
        return drawings


def sheet_of(photos: Path, *drawings: Path) -> Picture:
    """Each photo with its drawings beside it, uint8 RGB (h, w, 3); drawings are found by the photos' names."""
    cells = []
    for photo in sorted(photos.iterdir()):
        drawn = [folder / f"{photo.stem}.jpg" for folder in drawings]
        pictures = [_picture(path) for path in (photo, *(path for path in drawn if path.is_file()))]
        if len(pictures) > 1:
            cells.append(SheetCell(pictures, photo.stem))
    if not cells:
        raise StageFailedError(f"{photos}: no photo of it was drawn")
    columns = _SHEET_COLUMNS if len(drawings) == 1 else 1
    return contact_sheet(cells, side=256, columns=min(columns, len(cells)))


def _picture(path: Path) -> Picture:
    """A picture on a white square, as a sheet's cells are squares."""
    picture = decode(read_regular(path, max_bytes=_MAX_PICTURE_BYTES), max_megapixels=100)
    height, width = picture.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = picture
    return square


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
