"""How long work tells what it is doing, whoever listens."""

from typing import Protocol


class Watch(Protocol):
    """Listens to long work: lines to be read once, and how far it is."""

    def say(self, line: str) -> None:
        """A line worth reading: a choice with its reason, a result, a warning."""

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        """`done` of `total` of this work; `note` is the latest figure."""


class Silent:
    """Listens to nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        """Nothing."""


SILENT = Silent()
