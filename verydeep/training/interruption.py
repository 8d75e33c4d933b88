"""Ctrl-C and SIGTERM while training: taken note of at once, acted on after the step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether somebody `asked` for an end."""

    asked = False


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Within, the first Ctrl-C or SIGTERM is taken note of; a second Ctrl-C stops at once."""
    noted = Interruption()

    def take_note(number: int, frame: FrameType | None) -> None:
        if noted.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        noted.asked = True

    if threading.current_thread() is not threading.main_thread():  # signals are not for it
        yield noted
        return
    before = {n: signal.signal(n, take_note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
