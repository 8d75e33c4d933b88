"""What commands print: answers to stdout; to stderr, what long work says of itself."""

from __future__ import annotations

import sys
from time import monotonic

from verydeep.progress import Watch


class Console(Watch):
    """Watches long work on stderr: one line that is rewritten, or plain lines in a pipe."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._rewrites = sys.stderr.isatty()
        self._every = 0.1 if self._rewrites else 10.0
        self._what = ""
        self._first = 0
        self._began = self._printed = 0.0
        self._open = False

    def say(self, line: str) -> None:
        """A line that stays."""
        if not self.quiet:
            self._close()
            print(line, file=sys.stderr, flush=True)

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        """How far work is, with the time it will still take; not more often than can be read."""
        now = monotonic()
        if what != self._what:
            self._what, self._began, self._printed = what, now, now - self._every
            self._first = done
        if self.quiet or (now - self._printed < self._every and done < total):
            return
        self._printed = now
        time = f", {_clock(now - self._began)}" if done >= total else ""
        if self._first < done < total:  # the first call tells nothing of how fast it goes
            left = (now - self._began) * (total - done) / (done - self._first)
            time = f", {_clock(left)} left"
        line = f"{what} {done:,}/{total:,} ({done / total:.0%}){time}{note and ', '}{note}"
        if self._rewrites:
            print(f"\r\x1b[2K{line[: _width()]}", end="", file=sys.stderr, flush=True)
            self._open = True
        else:
            print(line, file=sys.stderr, flush=True)
        if done >= total:
            self._close()
            self._what = ""

    def _close(self) -> None:
        """Ends the rewritten line, so that what follows starts on its own."""
        if self._open:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
            self._open = False


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _width() -> int:
    from shutil import get_terminal_size

    return get_terminal_size().columns - 1
