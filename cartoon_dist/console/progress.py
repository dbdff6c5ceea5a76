"""Progress of a long job: a bar on a terminal, otherwise a line every half a minute; always on standard error."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Never, Self

from tqdm import tqdm

from cartoon_dist.console.escape import escape_line

SECONDS_BETWEEN_LINES = 30.0
_BAR_WITHOUT_TIME_LEFT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]"


class Progress:
    """Shows how much of `total` is done, at what rate, and how long the rest will take.

    `done` is what an earlier run finished; it does not count towards the rate. `work` is the work of all units
    together, where some take longer than others: the time left is then told by the work that `update` is told of.
    Calling `update` each step costs about a microsecond. With `shown=False` nothing is printed.
    """

    def __init__(
        self,
        *,
        total: int,
        unit: str,
        label: str,
        done: int = 0,
        work: float | None = None,
        shown: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._unit, self._label = total, unit, escape_line(label)
        self._shown, self._clock = shown, clock
        self._first = self._done = self._printed = done
        self._note = ""
        self._work, self._work_done = work, 0.0
        self._started = self._last_line = clock()
        self._bar: tqdm[Never] | None = None
        if shown and sys.stderr.isatty():
            form = None if work is None else _BAR_WITHOUT_TIME_LEFT
            self._bar = tqdm(
                total=total, initial=done, desc=self._label, unit=f" {unit}", dynamic_ncols=True, bar_format=form
            )

    def update(self, done: int, note: str = "", *, work: float = 0.0) -> None:
        """Show that `done` of the total are done, a note after it, and the time left by the work done so far."""
        self._done, self._note, self._work_done = done, escape_line(note), work
        if not self._shown:
            return
        if self._bar is not None:
            left = self._time_left() if self._work is not None else ""
            self._bar.set_postfix_str(", ".join(filter(None, [left, self._note])), refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._clock() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._print_line()

    def close(self) -> None:
        """Show the last state and end the bar; safe to call twice."""
        if self._bar is not None:
            self._bar.close()
        elif self._shown and self._printed != self._done:
            self._print_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _print_line(self) -> None:
        now = self._clock()
        rate = (self._done - self._first) / max(now - self._started, 1e-9)
        share = 100 * self._done / max(self._total, 1)
        words = [
            f"{self._label}: {self._done}/{self._total} {self._unit} ({share:.0f} %)",
            f"{rate:.3g} {self._unit}/s",
        ]
        if left := self._time_left():
            words.append(left)
        print(", ".join([*words, self._note] if self._note else words), file=sys.stderr, flush=True)  # noqa: T201
        self._last_line, self._printed = now, self._done

    def _time_left(self) -> str:
        """`6:20 left`; empty at the end and before anything is done."""
        elapsed = max(self._clock() - self._started, 1e-9)
        if self._work is None:
            done, remaining = float(self._done - self._first), float(self._total - self._done)
        else:
            done, remaining = self._work_done, self._work - self._work_done
        is_over = self._done >= self._total or done <= 0 or remaining <= 0
        return "" if is_over else f"{_format_duration(elapsed * remaining / done)} left"


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
