"""A thread that takes items ahead: in order, no further than told, errors passed on, ended with its reader."""

import threading
from collections.abc import Iterator

import pytest

from cartoon_dist.cpu.beside import prepared_ahead


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_items_come_in_order_from_a_thread_that_began_first() -> None:
    begun: list[str] = []

    def items() -> Iterator[str]:
        for number in range(5):
            yield f"{number} of {threading.current_thread().name}, begun in {begun[0]}"

    found = list(prepared_ahead(items(), begin=lambda: begun.append(threading.current_thread().name)))
    assert found == [f"{number} of batches ahead, begun in batches ahead" for number in range(5)]
    assert "batches ahead" not in names()


def test_it_stays_so_many_ahead_and_not_more() -> None:
    allowed, taken = threading.Semaphore(0), []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number
            allowed.release()  # the item before was put

    ahead = prepared_ahead(items(), ahead=2)
    assert next(ahead) == 0
    for _ in range(3):  # one was taken out, two lie ready
        assert allowed.acquire(timeout=60)
    assert len(taken) == 4  # the last is in hand, and waits for room
    assert [next(ahead), next(ahead)] == [1, 2]
    ahead.close()
    assert "batches ahead" not in names()
    assert len(taken) < 10


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise RuntimeError("planted")

    ahead = prepared_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(RuntimeError, match="planted"):
        next(ahead)
    assert "batches ahead" not in names()


def test_an_error_of_the_beginning_is_passed_on() -> None:
    def begin() -> None:
        raise RuntimeError("no such device")

    with pytest.raises(RuntimeError, match="no such device"):
        next(prepared_ahead(iter([1]), begin=begin))


def test_an_iterator_that_was_never_read_starts_nothing() -> None:
    prepared_ahead(iter([1])).close()
    assert "batches ahead" not in names()
