"""Processes that lose the store they speak through; whole runs are in `test_recovery.py`."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from verydeep.runtime import heartbeat
from verydeep.runtime.distributed import Ranks


def test_what_process_0_broadcasts_is_on_all_of_them_what_it_was() -> None:
    """Two in this process, the second of which has other values to give."""
    wait = timedelta(seconds=20)
    kept = TCPStore("127.0.0.1", 0, 2, True, wait, wait_for_workers=False)
    stores = [kept, TCPStore("127.0.0.1", kept.port, 2, False, wait)]
    both = [Ranks(rank, 2, store) for rank, store in enumerate(stores)]
    given = ({"folder": "a", "steps": [1, 2]}, False, 0.1, None)

    def heard(ranks: Ranks) -> list[object]:
        mine = given if ranks.is_main else (True, True, True, True)
        return [ranks.broadcast(value) for value in mine]

    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(heard, both)]
    for ranks in both:
        ranks._heartbeat.end()  # type: ignore[union-attr]
    assert found == [[*given], [*given]]
    assert Ranks().broadcast(False) is False


class Left(BaseException):
    """Instead of leaving the tests."""


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Ranks:
    """Process 1 of 2, whose process 0 has died with the store that it kept."""

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(heartbeat, "BEAT", 1e6)  # the thread that watches sees nothing of it
    wait = timedelta(seconds=5)
    kept = TCPStore("127.0.0.1", 0, 2, True, wait, wait_for_workers=False)
    store = TCPStore("127.0.0.1", kept.port, 2, False, wait)
    one = Ranks(1, 2, store)
    del kept
    return one


def set_aside(one: Ranks) -> None:
    """More than once: what is sent first after the other end is gone still seems to arrive."""
    for _ in range(5):
        with one.aside("a checkpoint"):
            pass


@pytest.mark.parametrize(
    "asks",
    [
        set_aside,
        lambda one: one.broadcast("a line"),
        lambda one: one.agree({"rate": 0.01}),
        lambda one: one.broadcast_files(None),
    ],
    ids=["aside", "broadcast", "agree", "files"],
)
def test_whoever_kept_the_processes_together_is_named_when_gone(
    lost: Ranks, asks: Callable[[Ranks], object], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Left):
        asks(lost)
    said = capfd.readouterr().err.split("\n")
    assert any(line.startswith("verydeep: process 0, or torchrun, which kept") for line in said), (
        said
    )


def test_a_process_that_failed_keeps_its_own_cause_when_nobody_hears_it(lost: Ranks) -> None:
    lost.failed("no such folder")  # and goes on to say so itself
