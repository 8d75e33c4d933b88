"""Work over threads: order, errors, and generators that are left behind."""

import gc
import threading
import time
from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional

from verydeep.runtime.threads import in_order, one_thread_each


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_at_first(i: int) -> int:
        time.sleep(0.02 if i == 0 else 0)
        return i * i

    assert list(in_order(slow_at_first, range(20), threads=4, ahead=6)) == [
        i * i for i in range(20)
    ]


def test_an_error_is_raised_where_its_result_would_have_come() -> None:
    def work(i: int) -> int:
        if i == 3:
            raise ValueError("three")
        return i

    results = in_order(work, range(10), threads=2, ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_one_left_behind_may_be_collected_on_a_thread_of_its_own() -> None:
    # A reference cycle keeps the generator until the collector runs, here on one of its threads.
    collected = threading.Event()
    begun = threading.Event()

    def work(i: int) -> int:
        if i == 1:
            begun.set()
            left_behind.wait(10)
            gc.collect()
            collected.set()
        return i

    class Cycle:
        def __init__(self, results: Iterator[int]) -> None:
            self.results, self.itself = results, self

    left_behind = threading.Event()
    gc.disable()
    try:
        cycle = Cycle(in_order(work, range(4), threads=2, ahead=1))
        assert next(cycle.results) == 0
        assert begun.wait(10)
        del cycle
        left_behind.set()
        assert collected.wait(10)
    finally:
        gc.enable()


def test_the_first_product_on_a_thread_is_rounded_as_every_other() -> None:
    """One that PyTorch has not set up yet gives other last bits."""
    numbers = torch.Generator().manual_seed(0)
    pictures, weights = (torch.randn(n, 64, generator=numbers) for n in (5, 16))
    expected = functional.linear(pictures, weights)

    def product(i: int) -> torch.Tensor:
        return functional.linear(pictures, weights)

    with one_thread_each():
        for found in in_order(product, range(3), threads=3, ahead=3):
            assert torch.equal(found, expected)
