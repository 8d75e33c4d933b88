"""How long work tells what it is doing, whoever listens."""

import sys
from typing import NoReturn

from verydeep.errors import escaped


class Progress:
    """Listens to long work; this one hears and says nothing."""

    def say(self, line: str) -> None:
        """Takes a line worth reading: a choice with its reason, a result, a warning."""

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        """Takes how far work is, `done` of `total`; `note` is the latest figure."""

    def leave(self) -> NoReturn:
        """Ends the work where it is, for who asked twice; threads may end their piece of it."""
        raise KeyboardInterrupt


class Lines(Progress):
    """Says the lines worth reading on stderr, and nothing of how far work is."""

    def say(self, line: str) -> None:
        """Prints a line."""
        print(escaped(line), file=sys.stderr, flush=True)


SILENT = Progress()
