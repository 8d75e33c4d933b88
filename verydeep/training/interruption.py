"""Ctrl-C and SIGTERM while training: answered at once, acted on after the step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Interruption:
    """Whether somebody `asked` for an end."""

    asked = False


@contextmanager
def interruption(answer: Callable[[], None], leave: Callable[[], None]) -> Iterator[Interruption]:
    """Within, the first Ctrl-C or SIGTERM is taken note of and answered; a second Ctrl-C leaves.

    `answer` says what will come of the first, `leave` is for who cannot wait for that.
    """
    noted = Interruption()

    def take_note(number: int, frame: FrameType | None) -> None:
        if noted.asked:
            if number == signal.SIGINT:
                leave()
            return
        noted.asked = True
        with suppress(RuntimeError, OSError):  # while a line was being written, or to nobody
            answer()

    if threading.current_thread() is not threading.main_thread():  # signals are not for it
        yield noted
        return
    before = {n: signal.signal(n, take_note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
