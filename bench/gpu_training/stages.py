"""The stages in order: unpack, machine, shards, a probe of each row, the plan, then row after row to its scores."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.gpu_proof.processes import kill_marked, mark_children
from bench.gpu_training import probe, row
from bench.gpu_training.job import Job, StageFailedError
from bench.gpu_training.plan import Rates, Shape, images_that_fit, rounded, shape_of
from bench.gpu_training.summary import write_summary
from bench.gpu_training.unpack import unpack
from cartoon_dist.config.run_config import read_settings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.atomic import write_atomically, write_json

END_SECONDS = 4.0
"""Kept back for the summary."""
PICTURES_A_SECOND = {"cuda": 100.0, "cpu": 20.0}
"""A cautious guess of how fast pictures are drawn and scored."""
TILE_SCALES = (1.0, 1.5, 2.0)
"""Short sides, in multiples of the image size, to which pictures are scaled before they are cut."""
_MACHINE_SECONDS, _SHARD_SECONDS = 120.0, 300.0
_MARK, _PLAN = "processes.mark", "plan.json"
_NOT_BINDING = frozenset({"out", "scratch", "minutes", "pack"})


class Plan(NamedTuple):
    """Of the rows that could be measured: images for each, and what each needs after its training."""

    rates: dict[str, Rates]
    images: dict[str, int]
    num_cartoons: int
    finish_seconds: float


def run_all(job: Job) -> bool:
    """Everything, as far as the minutes go; whether all of it was done. The summary is written in any case."""
    options = job.options
    end_earlier(options.scratch)
    with mark_children() as mark:
        write_atomically(options.scratch / _MARK, mark)
        try:
            complete = _stages(job)
        except BaseException:
            kill_marked(mark)
            raise
        finally:
            with suppress(OSError):
                (options.scratch / _MARK).unlink()
    return job.attempt("summary", lambda: write_summary(job)) is not None and complete


def end_earlier(scratch: Path) -> None:
    """Kill what a start that was killed has left running, as it would hold the runs' locks and the GPU."""
    with suppress(OSError):
        mark = (scratch / _MARK).read_text(encoding="utf-8").strip()
        if len(mark) == 32:
            kill_marked(mark)


def bind(job: Job) -> None:
    """CheckpointError where OUT was begun with other options: its results could not stand beside each other."""
    file = job.options.out / "options.json"
    values = {key: value for key, value in dataclasses.asdict(job.options).items() if key not in _NOT_BINDING}
    if job.options.pack is not None:
        values["pack_sha256"] = hashlib.sha256(job.options.pack.read_bytes()).hexdigest()
    values = json.loads(json.dumps(values))
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        other = sorted(key for key in {*before, *values} if before.get(key) != values.get(key))
        if other:
            raise CheckpointError(f"{file}: was begun with another {', '.join(other)}; use the same, or another OUT")
    write_json(file, values)


def _stages(job: Job) -> bool:
    options = job.options
    facts = job.attempt("unpack", lambda: _unpack(job))
    if facts is None:
        return False
    if job.attempt("machine", lambda: _machine(job)) is None:
        return False
    if None in [
        job.attempt("shards", partial(_shards, job, domain, facts["short"]), domain=domain)
        for domain in ("photos", "cartoons")
    ]:
        return False
    shapes = {name: shape_of(options.own_settings(name)) for name in options.rows}
    if _read_plan(job) is None:
        job.attempt("plan", lambda: _make_plan(job, shapes))
    plan = _read_plan(job)
    if plan is None:
        return False
    left = [name for name in plan.rates if not row.is_done(options.row_out(name))]
    complete = all(name in plan.rates or row.is_done(options.row_out(name)) for name in options.rows)
    for number, name in enumerate(left):
        seconds = _share(job, plan, shapes, left[number:])
        work = partial(_row, job, name, plan, shapes[name], seconds)
        complete &= job.attempt("row", work, row=name) is not None and bool(row.is_done(options.row_out(name)))
        job.attempt("summary", lambda: write_summary(job))
    return complete


def _unpack(job: Job) -> dict[str, Any]:
    pack, options = job.options.pack, job.options
    folder = options.scratch / "pack"
    if pack is None and not folder.is_dir():
        raise StageFailedError("--pack: name the file that `pack` has written")
    facts = unpack(pack or folder, folder)
    if options.style and facts["style"] != options.style:
        raise StageFailedError(f"--style {options.style}: the pack holds {facts['style']}; name another pack")
    if options.image_size > facts["short"]:
        raise StageFailedError(f"--image-size {options.image_size}: the pack's pictures have {facts['short']} pixels")
    return facts


def _machine(job: Job) -> dict[str, Any]:
    job.run("machine", ["-m", "bench.gpu_training.machine"], seconds=_MACHINE_SECONDS)
    found: dict[str, Any] = json.loads((job.lines.folder / "machine.log").read_text(encoding="utf-8").splitlines()[-1])
    if found["device"] == "cpu" and not job.options.rehearse:
        raise StageFailedError(f"torch {found['torch']} finds no GPU here; --rehearse tries the stages without one")
    return found


def _shards(job: Job, domain: str, short: int) -> dict[str, Any]:
    """Tiles at every scale that the pack's pictures, with short sides of up to `short` pixels, are large enough for."""
    folder = job.options.scratch / "shards" / domain
    words = [f"shards/{domain}.py", str(job.options.scratch / "pack" / domain), str(folder)]
    size = job.options.image_size
    scales = [scale for scale in TILE_SCALES if scale * size <= short]
    words += [f"image_size={size}", "crop=tile", f"scales={scales}"]
    # Photos are held out to be scored; a style has so few scenes that all of them are trained on.
    words += ["test_fraction=0"] if domain == "cartoons" else ["test_fraction=0.1"]
    words += ["num_workers=1"] if job.options.rehearse else []
    job.run(f"shards-{domain}", words, seconds=_SHARD_SECONDS)
    return dict(_num_samples(folder))


def _num_samples(folder: Path) -> dict[str, int]:
    """The samples of each split, by the shards' own indices."""
    indices = sorted(folder.glob("*.index.json"))
    samples = [of for index in indices for of in json.loads(index.read_text(encoding="utf-8"))["samples"]]
    return {split: sum(of["split"] == split for of in samples) for split in ("train", "test")}


def _make_plan(job: Job, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """Measure each row that is not done, then divide the time that is left; what the plan's file holds."""
    options, rates = job.options, dict[str, Rates]()
    done = {name: found for name in options.rows if (found := row.is_done(options.row_out(name)))}
    level = 0
    for name in (name for name in options.rows if name not in done):
        found = job.attempt("probe", partial(probe.measure, job, name, level=level), row=name)
        if found is not None:
            rates[name] = Rates(**{of.name: found[of.name] for of in dataclasses.fields(Rates)})
            level = rates[name].level  # what did not work for one row is not tried for the next
    if not rates:
        raise StageFailedError("no row could be measured")
    shards = options.scratch / "shards"
    cartoons = _num_samples(shards / "cartoons")
    scored = sum(cartoons.values()) + 2 * _num_samples(shards / "photos")["test"]
    finish = 2 * max(of.start_seconds for of in rates.values()) + scored / PICTURES_A_SECOND[options.device]
    seconds = job.clock.left_seconds - END_SECONDS
    images = _images(job, shapes, rates, seconds=seconds, finish_seconds=finish)
    if done and options.budget == "images":  # on another machine: the rows that are done had so many
        images = {name: min(num, *(of["images"] for of in done.values()), num) for name, num in images.items()}
    values = {
        "rates": {name: dataclasses.asdict(of) for name, of in rates.items()},
        "images": images,
        "num_cartoons": cartoons["train"],
        "finish_seconds": finish,
    }
    for place in (options.scratch, options.out):  # the one binds a second start, the other is brought home
        write_json(place / _PLAN, values)
    return values | {"seconds": round(seconds, 1), "budget": options.budget}


def _images(
    job: Job, shapes: Mapping[str, Shape], rates: Mapping[str, Rates], *, seconds: float, finish_seconds: float
) -> dict[str, int]:
    """Images of each row: equally many, or as many as an equal part of the time has room for."""
    options = job.options
    rows = {name: (shapes[name], of) for name, of in rates.items()}
    fit = dict.fromkeys(rows, images_that_fit(list(rows.values()), seconds=seconds, finish_seconds=finish_seconds))
    if options.budget == "minutes":
        share = seconds / len(rows)
        fit = {name: images_that_fit([one], seconds=share, finish_seconds=finish_seconds) for name, one in rows.items()}
    batch = {name: read_settings(options.row_words(name)).batch_size for name in rows}
    most = options.pace.most_images
    images = {name: rounded(num if most is None else min(num, most), batch[name]) for name, num in fit.items()}
    if not all(images.values()):
        raise StageFailedError(f"{seconds:.0f} s are left: too few to train {len(rows)} rows; give more --minutes")
    return images


def _read_plan(job: Job) -> Plan | None:
    """The plan of an earlier start on this machine, whose runs go on by it."""
    try:
        values = json.loads((job.options.scratch / _PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    rates = {name: Rates(**of) for name, of in values["rates"].items()}
    return Plan(rates, values["images"], values["num_cartoons"], values["finish_seconds"])


def _share(job: Job, plan: Plan, shapes: Mapping[str, Shape], left: Sequence[str]) -> float:
    """Seconds that the first of the rows that are left may train, start included: what later rows need is kept."""
    need = {
        name: plan.rates[name].start_seconds
        + plan.rates[name].seconds(plan.images[name], warmup_share=shapes[name].warmup_share)
        for name in left
    }
    seconds = job.clock.left_seconds - END_SECONDS - len(left) * plan.finish_seconds
    return max(0.0, seconds) * need[left[0]] / sum(need.values())


def _row(job: Job, name: str, plan: Plan, shape: Shape, seconds: float) -> dict[str, Any]:
    row.train(
        job,
        name,
        plan.rates[name],
        shape,
        images=plan.images[name],
        num_cartoons=plan.num_cartoons,
        seconds=seconds,
    )
    return row.finish(job, name)
