"""From a step's figures to records, warnings and the progress line."""

import time

from cartoon_dist.console.messages import print_message
from cartoon_dist.console.progress import Progress
from cartoon_dist.distributed import collectives
from cartoon_dist.train.bad_samples import BadSamples
from cartoon_dist.train.meter import SKIPPED, Meter
from cartoon_dist.train.phase import StepLog
from cartoon_dist.train.run_log import RunLog
from cartoon_dist.train.schedule import Schedule
from cartoon_dist.train.training_warnings import TrainingWarnings


class Reporter:
    """Reports every `log_every` steps, at the end of the warm-up and at the end of the run."""

    def __init__(self, *, schedule: Schedule, log: RunLog, meter: Meter, bad_samples: BadSamples, step: int) -> None:
        settings = schedule.settings
        self.schedule = schedule
        self.log = log
        self.meter = meter
        self.bad_samples = bad_samples
        self.warnings = TrainingWarnings(settings.warning)
        self.progress = Progress(
            total=schedule.total_steps * settings.batch_size,
            unit="images",
            label=settings.run_dir,
            done=step * settings.batch_size,
            shown=collectives.is_main_process(),
        )
        self.begin(step)

    def begin(self, step: int) -> None:
        """Begin an interval after `step` steps."""
        self.first = step
        self.started = time.perf_counter()
        self.waited_seconds = 0.0
        self.saving_seconds = 0.0

    def waited(self, seconds: float) -> None:
        """Note time that the loop spent waiting for its next batch."""
        self.waited_seconds += seconds

    def saved(self, seconds: float) -> None:
        """Note time that a checkpoint held the loop up; it belongs to the interval after its step."""
        self.saving_seconds += seconds

    def report(self, done: int, step_log: StepLog) -> None:
        """Note step `done - 1`; write a record when an interval is full."""
        self.meter.add(done - 1, step_log.figures)
        self.progress.update(done * self.schedule.settings.batch_size)
        schedule = self.schedule
        if done % schedule.settings.log_every and done not in (schedule.warmup_steps, schedule.total_steps):
            return
        num_steps = len(self.meter.steps)
        figures = self.meter.report()
        self._record(done, figures, step_log.term_weights)
        for name, share in figures.items():
            if name.startswith(SKIPPED) and share > 0:
                print_message(
                    f"step {done}: {round(share * num_steps)} of {num_steps} steps of the {name.removeprefix(SKIPPED)} "
                    "left out, as their gradients overflowed in fp16; its scale was halved each time"
                )
        for warning in self.warnings.check(figures, step_log.term_weights, num_steps):
            print_message(f"warning: step {done}: {warning}")

    def _record(self, done: int, figures: dict[str, float], weights: dict[str, float]) -> None:
        last = done - 1
        seconds = max(time.perf_counter() - self.started, 1e-9)
        batch_size = self.schedule.settings.batch_size
        self.log.record(
            {"step": done, "epoch": self.schedule.epoch(last), "phase": self.schedule.phase(last)}
            | {"images": self.schedule.images(done)}
            | figures
            | {f"weight/{name}": weight for name, weight in weights.items()}
            | {f"lr/{name}": rate for name, rate in self.schedule.learning_rates(last).items()}
            | {"images_per_second": round((done - self.first) * batch_size / seconds, 3)}
            | {"data_wait_fraction": round(self.waited_seconds / seconds, 4)}
            | {"save_wait_fraction": round(self.saving_seconds / seconds, 4)}
            | ({"damaged": len(self.bad_samples.known)} if self.bad_samples.known else {})
        )
        self.progress.update(
            done * batch_size, " ".join(f"{name.removeprefix('loss/')} {value:.3f}" for name, value in figures.items())
        )
        self.begin(done)

    def close(self) -> None:
        """End the progress line and push the records to the disk."""
        self.progress.close()
        self.log.close()
