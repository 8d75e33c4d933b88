"""What commands print: answers to stdout; to stderr, what long work says of itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOWrapper
from math import inf
from time import monotonic
from traceback import print_exception
from types import TracebackType
from typing import Any, NoReturn

from verydeep.errors import escaped, escaped_lines
from verydeep.runtime.progress import Progress

REWRITE = "\r\x1b[2K"
"""Takes the line away that the cursor is in."""


@contextmanager
def harmless() -> Iterator[None]:
    """Within, nothing that is printed steers the terminal, or is more than its encoding has.

    Names of files, classes and layers may hold anything; all of them go out through here.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")
    out: Any = _Outlet(sys.stdout)
    err: Any = _Outlet(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        yield


def say_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints a traceback the same way, as `sys.excepthook`."""
    with harmless():
        print_exception(kind, error, trace)


class _Outlet:
    """A stream that lets text through as `escaped_lines` has it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(escaped_lines(text))
        return len(text)

    def rewrite(self, line: str) -> None:
        """Puts a line, escaped already, into the place of the one that the cursor is in."""
        self._stream.write(REWRITE + line)
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Console(Progress):
    """Watches long work on stderr: one line that is rewritten, or plain lines in a pipe."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._stderr = sys.stderr if isinstance(sys.stderr, _Outlet) else _Outlet(sys.stderr)
        self._rewrites = self._stderr.isatty()
        self._every = 0.1 if self._rewrites else 10.0
        self._what = ""
        self._first = 0
        self._began = self._printed = 0.0
        self._open = False

    def say(self, line: str) -> None:
        """A line that stays."""
        if not self.quiet:
            self._close()
            print(line, file=self._stderr, flush=True)

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        """How far work is, with the time it will still take; not more often than can be read."""
        now = monotonic()
        if what != self._what:
            self._what, self._began, self._printed = what, now, -inf
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
            self._stderr.rewrite(escaped(line)[: _width()])
            self._open = True
        else:
            print(line, file=self._stderr, flush=True)
        if done >= total:
            self._close()
            self._what = ""

    def leave(self) -> NoReturn:
        """Ends the process as it is: threads at work would be waited for otherwise."""
        self._close()
        print("verydeep: left at once", file=self._stderr, flush=True)
        os._exit(130)

    def _close(self) -> None:
        """Ends the rewritten line, so that what follows starts on its own."""
        if self._open:
            self._stderr.rewrite("")
            self._open = False


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _width() -> int:
    from shutil import get_terminal_size

    return get_terminal_size().columns - 1
