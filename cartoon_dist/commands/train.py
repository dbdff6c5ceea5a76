"""`launch/train.py`: read the config, wire the rooms, train."""

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from cartoon_dist.capture.captured import capture_phases
from cartoon_dist.cluster.requeue import requeue
from cartoon_dist.commands import check_capture
from cartoon_dist.commands.command_lines.train import parser
from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED, EXIT_USER_ERROR, leave_at_once, refusals
from cartoon_dist.config.command_line import read_words, split
from cartoon_dist.config.commands import DryRunSettings
from cartoon_dist.config.run_config import read_settings
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.config.validation_errors import setting_paths
from cartoon_dist.console.messages import print_message
from cartoon_dist.cpu.malloc import reuse_freed_memory
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.load.loader import open_stream
from cartoon_dist.data.load.loader_workers import LoaderWorkers
from cartoon_dist.data.remote.fetch_per_node import fetch_shards
from cartoon_dist.distributed import collectives
from cartoon_dist.distributed.heartbeat import monitor
from cartoon_dist.errors import CartoonError, CheckpointError, ConfigError
from cartoon_dist.extras import require
from cartoon_dist.files.locks import lock_folder
from cartoon_dist.metrics import score_file
from cartoon_dist.metrics.run_scores import require_score_inputs, score_checkpoint, summarize
from cartoon_dist.report.refresh import ReportRefresher
from cartoon_dist.runs import checkpoint, method_from_config
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import read_run_config
from cartoon_dist.train import preempt, samples
from cartoon_dist.train.announcements import announce_end, announce_start
from cartoon_dist.train.bad_samples import BadSamples
from cartoon_dist.train.deepspeed_engine import ZeroEngine, launched_stage
from cartoon_dist.train.dry_run import describe_run
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.init_from import load_initial_weights
from cartoon_dist.train.input import check_batch_divides, local_batches, open_streams, start_workers
from cartoon_dist.train.keeping import keep_samples
from cartoon_dist.train.loop import Hooks, TrainingStep, train
from cartoon_dist.train.meter import Meter
from cartoon_dist.train.preempt import StopRequest
from cartoon_dist.train.reporter import Reporter
from cartoon_dist.train.run_log import RunLog
from cartoon_dist.train.saving import Saver
from cartoon_dist.train.schedule import Schedule
from cartoon_dist.train.state import TrainState, initial_state
from cartoon_dist.train.trackers.follow import Followers, not_installed, require_installed


def main(argv: Sequence[str]) -> int:
    """Train as the command line says; the exit status."""
    arguments = parser().parse_intermixed_args(argv)
    settings, processes = read_command_line(arguments)
    if arguments.check_capture:
        return check_capture.run(settings)
    if not arguments.dry_run:
        return run(settings)
    world_size = processes or collectives.world_size()
    check_batch_divides(settings, world_size)
    if collectives.is_main_process():
        for error in not_installed(settings.track):
            print_message(f"warning: {error}")
        print(describe_run(settings, world_size=world_size, zero_stage=settings.zero_stage or launched_stage()))
    return EXIT_DONE


def read_command_line(arguments: argparse.Namespace) -> tuple[TrainSettings, int | None]:
    """The settings of the run, and how many processes a dry run is to describe."""
    files = [word for word in arguments.config if "=" not in word]
    words = [*arguments.renamed, *(word for word in arguments.config if "=" in word)]
    own, words = split(DryRunSettings, words, setting_paths(TrainSettings))
    return read_settings([*files, *words]), read_words(DryRunSettings, own).processes


def run(settings: TrainSettings) -> int:
    """Train to the end, or to a request to stop, and leave the reason in the run folder; the exit status."""
    require_installed(settings.track)
    if settings.score_at_end:
        require("score")
    folder = RunFolder(Path(settings.run_dir))
    report = ReportRefresher(folder)
    # The workers are forked first of all: before CUDA, NCCL and this process's threads.
    with start_workers(settings) as workers, _locked(folder):
        is_new = not folder.config.exists()
        if collectives.is_main_process():
            _record_exit(folder)
        try:
            with refusals():
                reason = _run_locked(settings, folder, report, workers)
            status = EXIT_STOPPED if reason else EXIT_DONE
        except CartoonError as error:
            status, reason = EXIT_USER_ERROR, str(error)
            raise
        except BaseException as error:
            status, reason = 1, repr(error)
            raise
        finally:
            if collectives.is_main_process():
                _record_exit(folder, (status, reason))
                if is_new and status not in (EXIT_DONE, EXIT_STOPPED):
                    _take_back_start(folder)
                report.refresh()
    if reason and reason != preempt.MAX_HOURS:
        _requeue()
    collectives.destroy_process_group()
    return status


def _requeue() -> None:
    """Put a Slurm job that was stopped back into the queue; rank 0 does it while the others wait, as a launcher ends
    all processes of a node when one of them leaves."""
    message = requeue() if collectives.is_main_process() else ""
    if message:
        print_message(message)
    collectives.all_gather(message)


def _locked(folder: RunFolder) -> AbstractContextManager[None]:
    """No two runs in one folder; rank 0 holds it for the others."""
    if not collectives.is_main_process():
        return nullcontext()
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{folder.root}: cannot be made ({error.strerror}); give a folder that can be written as run_dir="
        ) from None
    return lock_folder(
        folder.root, CheckpointError(f"{folder.root}: another run is going on there; stop it or wait for it")
    )


def _run_locked(settings: TrainSettings, folder: RunFolder, report: ReportRefresher, workers: LoaderWorkers) -> str:
    """Wire the rooms and train; why it stopped early, or an empty string."""
    engine = _engine(settings)
    if engine.device.type == "cpu":
        reuse_freed_memory()
    check_batch_divides(settings, collectives.world_size())
    folder.check_same(settings)
    settings = _with_recorded_init_from(settings, folder)
    with monitor(settings.silence_seconds, partial(_abort, folder)):
        return _train(engine, settings, folder, report, workers)


def _with_recorded_init_from(settings: TrainSettings, folder: RunFolder) -> TrainSettings:
    """The settings with the `init_from` that the run really began with: where it has a checkpoint, none is read."""
    if not checkpoint.steps(folder):
        return settings
    begun = read_run_config(folder.config).init_from if folder.config.exists() else None
    if settings.init_from not in (None, begun):
        print_message(f"warning: init_from={settings.init_from} is not read: {folder.root} has a checkpoint of its own")
    return replace(settings, init_from=begun)


def _engine(settings: TrainSettings) -> Engine:
    clip = settings.optimizer.clip
    if stage := settings.zero_stage or launched_stage():
        if settings.capture.mode != "none":
            raise ConfigError(
                "capture.mode: DeepSpeed's engines cannot be captured; use capture.mode=none, or start without it"
            )
        return ZeroEngine(
            precision=settings.precision, stage=stage, num_parts=settings.accumulate, clip=clip, device=settings.device
        )
    recordable = settings.capture.mode != "none"
    return Engine(precision=settings.precision, clip=clip, recordable=recordable, device=settings.device)


def _abort(folder: RunFolder, error: CartoonError) -> None:
    if collectives.is_main_process():
        _record_exit(folder, (EXIT_USER_ERROR, str(error)))
    leave_at_once(error)


def _record_exit(folder: RunFolder, left: tuple[int, str] | None = None) -> None:
    """Write the exit status and its reason into the run folder; without them, remove those of the run before.

    The file is information only: where it cannot be written a warning is printed, and nothing stops.
    """
    try:
        if left is None:
            folder.exit.unlink(missing_ok=True)
        else:
            folder.write_exit(*left)
    except OSError as error:
        print_message(f"warning: {folder.exit}: cannot be written ({error.strerror}); nothing else depends on it")


def _take_back_start(folder: RunFolder) -> None:
    """Leave no folder that counts as a run where none began: its settings would bind the next start there."""
    try:
        folder.take_back_start()
    except OSError as error:
        print_message(f"warning: {folder.root}: what the failed start left cannot be removed ({error.strerror})")


def _train(
    engine: Engine, settings: TrainSettings, folder: RunFolder, report: ReportRefresher, workers: LoaderWorkers
) -> str:
    """Train on the engine's processes; why it stopped early, or an empty string."""
    local = fetch_shards(settings)
    photos, cartoons = open_streams(local)
    if settings.score_at_end:
        require_score_inputs(local)
    schedule = Schedule(settings=settings, num_photos=len(photos.shards), num_cartoons=len(cartoons.shards))
    method = method_from_config.build_method(settings, engine.place)

    state, meter = initial_state(method.networks, settings.optimizer), Meter()
    data = {"photos": photos.shards.fingerprint(), "cartoons": cartoons.shards.fingerprint()}
    best = partial(score_file.best_step, folder.scores, settings.score)
    saver = Saver(
        run=folder, settings=settings, engine=engine, data=data, best=best, warmup_steps=schedule.warmup_steps
    )
    if saver.resume(state, meter) is None and settings.init_from is not None:
        load_initial_weights(Path(settings.init_from), state, folder)
    if collectives.is_main_process():
        folder.write_config(settings)
    announce_start(settings, engine, schedule, state)
    engine.prepare(state)
    kept = keep_samples(settings, engine, (photos, cartoons), workers)
    wrap = kept.wrap(capture_phases(engine, state, settings.capture))
    step = TrainingStep(method=method, engine=engine, state=state, num_parts=settings.accumulate, wrap=wrap)

    log = RunLog(folder, step=state.step)
    bad_samples = BadSamples(max_damaged=settings.data.max_damaged)
    reporter = Reporter(schedule=schedule, log=log, meter=meter, bad_samples=bad_samples, step=state.step)
    draw = _sample_drawer(local, folder, engine, state, log, report)
    if state.step == 0:
        draw(0)

    def save(_step: int) -> None:
        before = time.perf_counter()
        saver.save(state, meter)
        reporter.saved(time.perf_counter() - before)

    with Followers(folder, settings.track) as log.followers:
        try:
            ahead = local_batches(settings, engine, schedule, workers, kept, reporter)
            with saver, kept, step, closing(ahead):
                reason = train(
                    step=step,
                    schedule=schedule,
                    batches=ahead,
                    hooks=Hooks(report=reporter.report, save=save, draw_samples=draw),
                    stop=StopRequest(max_hours=settings.max_hours, bad_samples=bad_samples),
                )
        finally:
            reporter.close()
        log.followers.stopping = bool(reason)
        if settings.score_at_end and not reason:
            _score(local, folder, engine, state)
    announce_end(folder, schedule, state, reason)
    return reason


def _score(settings: TrainSettings, folder: RunFolder, engine: Engine, state: TrainState) -> None:
    """Score the checkpoint just written on the processes that trained, unless its scores are there already."""
    model = folder.checkpoint(state.step)
    scored = any(score.get("step") == state.step for score in score_file.read_scores(folder.scores))
    if collectives.all_gather(scored)[0]:
        return
    scores = score_checkpoint(model, settings, engine.device)
    print_message(f"{folder.scores}: {summarize(scores)}")


def _sample_drawer(
    settings: TrainSettings, folder: RunFolder, engine: Engine, state: TrainState, log: RunLog, report: ReportRefresher
) -> Callable[[int], None]:
    """What draws the sample pictures after a step, and brings the report up to date: of held-out photos, or of the
    training set's where none is held out."""
    if not collectives.is_main_process():
        return lambda _step: None
    shards = Shards(folder=Path(settings.data.photos), domain="photo", split="test")
    if not len(shards):
        shards = Shards(folder=Path(settings.data.photos), domain="photo", split="train")
    shown = open_stream(
        shards=shards, seed=0, image_size=settings.image_size, fit=settings.data.fit, flip=False, batch_size=1
    )
    fixed = samples.fixed_samples(shown, settings.num_samples, engine.device, engine.dtype)
    generator = state.ema if settings.weights == "ema" else state.networks["generator"]

    def draw(step: int) -> None:
        pixels = samples.sample_grid(fixed, generator, settings.weights)
        with log.without(folder.sample(step).parent):
            samples.write_sample_grid(folder.sample(step), pixels)
        log.picture(step, pixels)
        report.refresh()

    return draw
