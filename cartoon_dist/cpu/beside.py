"""Work of the CPU beside that of a GPU: decoding ahead of it and encoding behind it, in threads, in order."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import closing, contextmanager, suppress
from typing import Generic, NamedTuple, TypeVar

from cartoon_dist.cpu.cores import num_usable_cores

Item = TypeVar("Item")
Result = TypeVar("Result")
_MAX_THREADS = 16


def num_threads_beside(*, leaves_the_cpu_free: bool) -> int:
    """How many threads decode and encode: none where the CPU draws, which has no core to spare for them."""
    return min(_MAX_THREADS, num_usable_cores()) if leaves_the_cpu_free else 0


def map_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    pool: Executor | None,
    *,
    cost: Callable[[Item], float],
    max_cost: float,
) -> Iterator[Result]:
    """The function's result for each item, in order; with a pool it works ahead of who reads them, on items that cost
    `max_cost` together, one at least. Its errors are raised in the place of the result."""
    if pool is None:
        yield from map(function, items)
        return
    waiting: deque[tuple[float, Future[Result]]] = deque()
    total = 0.0
    try:
        for item in items:
            price = cost(item)
            while waiting and total + price > max_cost:
                total -= waiting[0][0]
                yield waiting.popleft()[1].result()
            waiting.append((price, pool.submit(function, item)))
            total += price
        while waiting:
            yield waiting.popleft()[1].result()
    finally:
        for _, future in waiting:
            future.cancel()


class InOrder(Generic[Result]):
    """Tasks that a pool does behind the caller, at most `max_waiting` of them; each result is told in the order of the
    tasks, in the caller's thread. Without a pool a task is done, and told, at once."""

    def __init__(self, pool: Executor | None, tell: Callable[[Result], None], *, max_waiting: int) -> None:
        self._pool, self._tell, self._max_waiting = pool, tell, max_waiting
        self._waiting: deque[Future[Result]] = deque()

    def add(self, task: Callable[[], Result]) -> None:
        """Do the task; an error of an earlier one is raised here."""
        if self._pool is None:
            self._tell(task())
            return
        self._waiting.append(self._pool.submit(task))
        while self._waiting and (len(self._waiting) > self._max_waiting or self._waiting[0].done()):
            self._tell(self._waiting.popleft().result())

    def finish(self) -> None:
        """Wait for all tasks; the first error is raised."""
        while self._waiting:
            self._tell(self._waiting.popleft().result())

    def stop(self) -> None:
        """Begin no further task, and tell what had been begun and ends well."""
        for future in self._waiting:
            future.cancel()
        while self._waiting:
            future = self._waiting.popleft()
            if not future.cancelled() and future.exception() is None:
                self._tell(future.result())


@contextmanager
def read_ahead(items: Iterator[Item], *, max_items: int) -> Iterator[Iterator[Item]]:
    """The same items, read by a thread of its own, so many ahead; an error of theirs is raised in its place. When the
    block ends, the thread has ended."""
    if not max_items:
        yield items
        return
    with closing(prepared_ahead(items, ahead=max_items, name="read ahead", exit_timeout_seconds=None)) as ahead:
        yield ahead


def prepared_ahead(
    items: Iterator[Item],
    *,
    begin: Callable[[], None] = lambda: None,
    ahead: int = 2,
    name: str = "batches ahead",
    exit_timeout_seconds: float | None = 5.0,
) -> Generator[Item]:
    """The items in their order, taken from the iterator by a thread that stays `ahead` before; errors too.

    begin: called in the thread first. Closing this iterator ends the thread, and waits for it: with a timeout one that
    hangs, as on dead storage, is left to end with its process.
    """
    thread = _Ahead(items, begin, ahead, name)
    thread.start()
    try:
        while (found := thread.ready.get()) is not None:
            if isinstance(found.error, BaseException):
                raise found.error
            yield found.item
    finally:
        thread.end(exit_timeout_seconds)


class _Found(NamedTuple, Generic[Item]):
    item: Item
    error: BaseException | None = None


class _Ahead(threading.Thread, Generic[Item]):
    """Puts items into `ready`, and None after the last. Ends with its process."""

    def __init__(self, items: Iterator[Item], begin: Callable[[], None], ahead: int, name: str) -> None:
        super().__init__(daemon=True, name=name)
        self.items = items
        self.begin = begin
        self.ready: queue.Queue[_Found[Item] | None] = queue.Queue(ahead)
        self.ended = threading.Event()

    def run(self) -> None:
        """Take items until there is none, one fails, or none is wanted."""
        try:
            self.begin()
            for item in self.items:
                self.ready.put(_Found(item))
                if self.ended.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  whatever it was, the thread that wants items raises it
            self.ready.put(_Found(None, error))  # type: ignore[arg-type]
        else:
            self.ready.put(None)

    def end(self, timeout_seconds: float | None) -> None:
        """Let the thread end. It may wait for room: emptied, there is room for the one item that it has in hand."""
        self.ended.set()
        with suppress(queue.Empty):
            while True:
                self.ready.get_nowait()
        self.join(timeout_seconds)
