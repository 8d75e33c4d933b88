"""Work spread over threads, its results in the order of its items.

On a CPU the network itself is spread this way, a few pictures a thread with one thread to each
operation: threads inside every operation wait for each other hundreds of times a step, which
costs several times the work as soon as anything else runs on the machine.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int
) -> Iterator[Result]:
    """What `work` gives for each item, in order, at most `ahead` of them waiting.

    An error in the work is raised where its result would have come. Whoever leaves early waits for
    nothing: what has begun ends by itself and the rest is dropped.
    """
    pool = ThreadPoolExecutor(threads, "verydeep", initializer=settle)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # No waiting here: a generator that was left behind is collected on whichever thread
        # happens to be running, and one of the pool's own could not wait for itself.
        pool.shutdown(wait=False, cancel_futures=True)


def settle() -> None:
    """Has PyTorch, where it is in use, set up the thread that calls this, which is a new one.

    It does so by itself before some operations and not before others: a matrix product on a thread
    that has done nothing yet is rounded otherwise than the next one.
    """
    torch = sys.modules.get("torch")  # listing pictures must not wait for it
    if torch is not None:
        torch.get_num_threads()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Within, each PyTorch operation runs on the thread that calls it."""
    import torch  # here, because listing pictures must not wait for it

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
