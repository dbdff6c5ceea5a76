"""Work done on a thread while training goes on: one piece at a time, waited for at exit."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class BackgroundWriter:
    """Does one piece of work at a time on a thread.

    The thread is no daemon: the interpreter waits for it before it leaves, also where nobody called `wait`.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._running: Future[None] | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Begin a piece of work; the one before it must have been waited for."""
        assert self._running is None
        self._running = self._thread.submit(work)

    def wait(self) -> BaseException | None:
        """Wait until the last piece of work is done; what it failed with, which is returned once."""
        if self._running is None:
            return None
        failure = self._running.exception()
        self._running = None
        return failure

    def close(self) -> None:
        """Wait, and end the thread."""
        self._thread.shutdown()
