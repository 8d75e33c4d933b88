"""What commands print: answers to stdout; to stderr, what long work says of itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import TextIOWrapper
from traceback import print_exception
from types import TracebackType
from typing import Any, NoReturn

from verydeep.errors import escaped_lines
from verydeep.runtime.progress import Shown


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
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(escaped_lines(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class Console(Shown):
    """Shows long work on stderr, unless it is to be `quiet`; what is printed stays harmless."""

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(sys.stderr.stream if isinstance(sys.stderr, _Outlet) else sys.stderr)
        self.quiet = quiet

    def say(self, line: str) -> None:
        """A line that stays."""
        if not self.quiet:
            super().say(line)

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        """How far work is."""
        if not self.quiet:
            super().step(what, done, total, note)

    def leave(self) -> NoReturn:
        """Ends the process as it is: threads at work would be waited for otherwise."""
        with suppress(RuntimeError, OSError):  # while a line was being written, or to nobody
            super().say("verydeep: left at once")
        os._exit(130)
