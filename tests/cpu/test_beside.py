"""Decoding ahead and encoding behind: in order, bounded, and an error where it belongs."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cartoon_dist.cpu.beside import InOrder, map_ahead, num_threads_beside, read_ahead


def square(number: int) -> int:
    if number == 7:
        raise ValueError("planted at 7")
    return number * number


@pytest.mark.parametrize("num_threads", [0, 3])
def test_results_come_in_order_and_an_error_in_its_place(num_threads: int) -> None:
    pool = ThreadPoolExecutor(num_threads) if num_threads else None
    seen: list[int] = []
    with pytest.raises(ValueError, match="planted at 7"):
        seen.extend(map_ahead(square, range(20), pool, cost=lambda _: 1, max_cost=4))
    assert seen == [number * number for number in range(7)]
    taken = map_ahead(square, range(7), pool, cost=lambda _: 1, max_cost=4)
    assert list(taken) == [number * number for number in range(7)]
    if pool:
        pool.shutdown()


def test_no_more_is_done_ahead_than_the_cost_allows() -> None:
    begun: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        costs = [1.0, 2.0, 9.0, 1.0, 1.0, 1.0]

        def work(index: int) -> int:
            begun.append(index)
            return index

        results = map_ahead(work, range(6), pool, cost=lambda index: costs[index], max_cost=4)
        assert next(results) == 0
        assert max(begun) <= 1  # the third costs more than all that may wait, and goes alone
        assert list(results) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("num_threads", [0, 2])
def test_tasks_are_told_in_order_in_the_callers_thread(num_threads: int) -> None:
    pool = ThreadPoolExecutor(num_threads) if num_threads else None
    told: list[tuple[int, bool]] = []
    tasks: InOrder[int] = InOrder(
        pool, lambda one: told.append((one, threading.current_thread() is threading.main_thread())), max_waiting=3
    )
    for number in range(6):
        tasks.add(lambda number=number: number)  # type: ignore[misc]
    tasks.finish()
    assert told == [(number, True) for number in range(6)]
    if pool:
        pool.shutdown()


def test_an_error_of_a_task_comes_out_and_what_ended_well_is_told() -> None:
    told: list[int] = []
    gate = threading.Event()

    def after_the_gate() -> int:
        gate.wait(30)
        return 1

    with ThreadPoolExecutor(2) as pool:
        tasks: InOrder[int] = InOrder(pool, told.append, max_waiting=9)
        tasks.add(after_the_gate)  # holds back the telling of those that follow
        tasks.add(lambda: square(7))
        tasks.add(lambda: 2)
        gate.set()
        with pytest.raises(ValueError, match="planted"):
            tasks.finish()
        tasks.stop()
    assert told[0] == 1
    assert told[1:] in ([], [2])  # the last one had ended, or was never begun


def test_no_thread_beside_a_drawing_on_the_cpu() -> None:
    assert num_threads_beside(leaves_the_cpu_free=False) == 0
    assert num_threads_beside(leaves_the_cpu_free=True) >= 1


def test_items_are_read_ahead_by_a_thread_that_ends_with_the_block() -> None:
    closed = threading.Event()
    num_read = 0

    def numbers() -> Iterator[int]:
        nonlocal num_read
        try:
            for number in range(100):
                num_read += 1
                yield number
        finally:
            closed.set()

    items = numbers()
    with read_ahead(items, max_items=3) as ahead:
        assert [next(ahead) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert num_read <= 5 + 3 + 2
    assert not [thread for thread in threading.enumerate() if thread.name == "read ahead"]
    with read_ahead(iter([1, 2]), max_items=3) as ahead:
        assert list(ahead) == [1, 2]


def test_an_error_of_the_items_is_raised_in_its_place() -> None:
    with read_ahead(map(square, range(5, 9)), max_items=2) as ahead:
        assert [next(ahead), next(ahead)] == [25, 36]
        with pytest.raises(ValueError, match="planted at 7"):
            next(ahead)
    with read_ahead(iter("ab"), max_items=0) as ahead:
        assert list(ahead) == ["a", "b"]
