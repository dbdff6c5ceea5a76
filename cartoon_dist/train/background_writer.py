"""Work done behind training's back, on a thread of its own: one piece at a time, waited for at exit."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Writer:
    """Does one piece of work at a time on a thread.

    The thread is no daemon: the interpreter waits for it before it leaves, also where nobody called `wait`.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._going_on: Future[None] | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Begin a piece of work; the one before it must have been waited for."""
        assert self._going_on is None
        self._going_on = self._thread.submit(work)

    def wait(self) -> BaseException | None:
        """Wait until the last piece of work is done; what it failed with, which is told once."""
        if self._going_on is None:
            return None
        failure = self._going_on.exception()
        self._going_on = None
        return failure

    def close(self) -> None:
        """Wait, and end the thread."""
        self._thread.shutdown()
