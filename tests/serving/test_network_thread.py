"""The thread that owns the network, with work that only notes what it is given."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError

import pytest

from verydeep.serving.network_thread import NetworkThread, Work


class Noting:
    """Work that doubles numbers, and waits with the first batch until `gate` is open."""

    def __init__(self, most: int = 4, name: str = "double") -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []
        self.work = Work(name, self.run, most)

    def run(self, given: Sequence[int]) -> list[int]:
        self.batches.append(list(given))
        self.begun.set()
        assert self.gate.wait(30)
        if 13 in given:
            raise ValueError("thirteen")
        return [2 * one for one in given]


@pytest.fixture
def thread() -> Iterator[NetworkThread]:
    found = NetworkThread()
    yield found
    found.end()


def busy(thread: NetworkThread, noting: Noting) -> None:
    """Has the thread at work, so that what comes now waits."""
    thread.submit(noting.work, 0)
    assert noting.begun.wait(30)


def test_what_waits_is_done_together_and_no_more_than_so_many(thread: NetworkThread) -> None:
    noting = Noting(most=4)
    busy(thread, noting)
    futures = [thread.submit(noting.work, i) for i in range(1, 7)]
    noting.gate.set()
    assert [future.result(30) for future in futures] == [2, 4, 6, 8, 10, 12]
    assert noting.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_each_work_is_done_apart_that_first_which_waits_longest(thread: NetworkThread) -> None:
    one, other = Noting(), Noting(name="other")
    other.gate.set()
    busy(thread, one)
    futures = [thread.submit(w.work, i) for i, w in enumerate((one, other, one, other), 1)]
    one.gate.set()
    assert [future.result(30) for future in futures] == [2, 4, 6, 8]
    assert (one.batches, other.batches) == ([[0], [1, 3]], [[2, 4]])


def test_works_take_turns_however_much_waits_of_one() -> None:
    """So a page's answer does not wait for all the maps that others asked for before."""
    told: list[str] = []
    thread = NetworkThread(lambda name, size: told.append(name))
    slow, quick = Noting(most=1, name="slow"), Noting(name="quick")
    quick.gate.set()
    busy(thread, slow)
    futures = [thread.submit(slow.work, i) for i in range(3)]
    futures += [thread.submit(quick.work, i) for i in range(3)]
    slow.gate.set()
    for future in futures:
        future.result(30)
    thread.end()
    assert told == ["slow", "quick", "slow", "slow", "slow"]


def test_what_nobody_waits_for_is_not_done(thread: NetworkThread) -> None:
    noting = Noting()
    busy(thread, noting)
    left, kept = thread.submit(noting.work, 1), thread.submit(noting.work, 2)
    assert left.cancel()
    noting.gate.set()
    assert kept.result(30) == 4
    with pytest.raises(CancelledError):
        left.result(0)
    assert noting.batches == [[0], [2]]


def test_an_error_is_told_to_those_who_asked_and_the_thread_goes_on(thread: NetworkThread) -> None:
    noting = Noting()
    noting.gate.set()
    with pytest.raises(ValueError, match="thirteen"):
        thread.submit(noting.work, 13).result(30)
    assert thread.submit(noting.work, 1).result(30) == 2


def test_a_batch_waits_a_moment_for_what_is_being_read(
    thread: NetworkThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verydeep.serving.network_thread.LINGER", 30.0)
    noting = Noting(most=4)
    noting.gate.set()
    with thread.reading():
        first = thread.submit(noting.work, 1)
        second = thread.submit(noting.work, 2)
        assert not noting.batches
    assert (first.result(30), second.result(30)) == (2, 4)
    assert noting.batches == [[1, 2]]
    # a full batch waits for nothing
    with thread.reading():
        futures = [thread.submit(noting.work, i) for i in range(4)]
        assert [future.result(20) for future in futures] == [0, 2, 4, 6]


def test_each_batch_is_told_with_its_size() -> None:
    told: list[tuple[str, int]] = []
    thread, noting = NetworkThread(lambda name, size: told.append((name, size))), Noting()
    busy(thread, noting)
    futures = [thread.submit(noting.work, i) for i in (1, 2, 3)]
    noting.gate.set()
    assert [future.result(30) for future in futures] == [2, 4, 6]
    thread.end()
    assert told == [("double", 1), ("double", 3)]
