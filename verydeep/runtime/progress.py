"""How long work tells what it is doing, whoever listens: a terminal, a notebook, a pipe, nobody."""

from __future__ import annotations

import sys
from math import inf
from time import monotonic
from typing import Any, NoReturn

from verydeep.errors import escaped, escaped_lines

REWRITE = "\r\x1b[2K"
"""Takes the line away that the cursor is in."""
EVERY = 10.0
"""Seconds from one line to the next of how far work is, where lines stay."""
RENEWED = 0.1
"""And where it is one line, that is renewed."""


class Progress:
    """Listens to long work; this one hears and says nothing."""

    def say(self, line: str) -> None:
        """Takes a line worth reading: a choice with its reason, a result, a warning."""

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        """Takes how far work is, `done` of `total`; `note` is the latest figure."""

    def leave(self) -> NoReturn:
        """Ends the work where it is, for who asked twice; threads may end their piece of it."""
        raise KeyboardInterrupt


SILENT = Progress()


class Within(Progress):
    """Listens to one piece of longer work: how far it is goes on under its name, what it says not.

    So work of many pieces alike says what it does with each, and no more.
    """

    def __init__(self, whole: Progress, piece: str) -> None:
        self._whole, self._piece = whole, piece

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        """How far the piece is."""
        self._whole.step(f"{self._piece}: {what}", done, total, note)

    def leave(self) -> NoReturn:
        """Ends the whole."""
        self._whole.leave()


class Shown(Progress):
    """Shows work to whoever started it: one line that is renewed, or a few plain ones in a pipe.

    In a notebook it stands below the cell, by what every notebook has; elsewhere on stderr, or on
    the `stream` that is given. Nothing of what is said steers a terminal.
    """

    def __init__(self, stream: Any = None) -> None:
        self._stream = stream
        self._what = ""
        self._first = 0
        self._began = self._printed = 0.0
        self._open = False
        self._cell: Any = None

    def say(self, line: str) -> None:
        """A line that stays."""
        self._close()
        out = sys.stdout if self._notebook is not None else self._out
        print(escaped_lines(line), file=out, flush=True)

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        """How far work is, with the time it will still take; not more often than can be read."""
        now = monotonic()
        if what != self._what:
            self._what, self._began, self._printed = what, now, -inf
            self._first = done
        notebook = self._notebook
        renewed = notebook is not None or getattr(self._out, "isatty", bool)()
        if now - self._printed < (RENEWED if renewed else EVERY) and done < total:
            return
        self._printed = now
        line = escaped(self._in_words(done, total, note, now))
        if notebook is not None:
            self._renew_below(notebook, line)
        elif renewed:
            self._rewrite(line[: _width()])
        else:
            print(line, file=self._out, flush=True)
        if done >= total:
            self._close()
            self._what = ""

    def _in_words(self, done: int, total: int, note: str, now: float) -> str:
        time = f", {_clock(now - self._began)}" if done >= total else ""
        if self._first < done < total:  # the first call tells nothing of how fast it goes
            left = (now - self._began) * (total - done) / (done - self._first)
            time = f", {_clock(left)} left"
        share = f" ({done / total:.0%})" if total else ""
        return f"{self._what} {done:,}/{total:,}{share}{time}{note and ', '}{note}"

    @property
    def _out(self) -> Any:
        return sys.stderr if self._stream is None else self._stream

    @property
    def _notebook(self) -> Any:
        """The shell of the notebook that this runs in, if it does."""
        if self._stream is not None or "IPython" not in sys.modules:
            return None
        shell = sys.modules["IPython"].get_ipython()
        return shell if getattr(shell, "kernel", None) is not None else None

    def _renew_below(self, shell: Any, line: str) -> None:
        """Renews the one line below the cell that is being run."""
        from IPython.display import display

        if self._cell is None or self._cell[0] != shell.execution_count:
            made = display({"text/plain": line}, raw=True, display_id=True)
            self._cell = shell.execution_count, made
        else:
            self._cell[1].update({"text/plain": line}, raw=True)

    def _rewrite(self, line: str) -> None:
        """Puts a line into the place of the one that the cursor is in."""
        self._out.write(REWRITE + line)
        self._out.flush()
        self._open = True

    def _close(self) -> None:
        """Ends the rewritten line, so that what follows starts on its own."""
        if self._open:
            self._rewrite("")
            self._open = False


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _width() -> int:
    from shutil import get_terminal_size

    return get_terminal_size().columns - 1
