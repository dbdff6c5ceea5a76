"""Work of the CPU beside that of a GPU: decoding ahead of it and encoding behind it, in threads, in order."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Generic, TypeVar

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
    read: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(max_items)
    ended = threading.Event()

    def put(item: Item | None, error: BaseException | None) -> None:
        while not ended.is_set():
            try:
                read.put((item, error), timeout=0.1)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for item in items:
                put(item, None)
                if ended.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  whatever it is, the reader gets it
            put(None, error)
        else:
            put(None, StopIteration())

    def taken() -> Iterator[Item]:
        while True:
            item, error = read.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]

    thread = threading.Thread(target=work, name="read ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        ended.set()
        thread.join()
