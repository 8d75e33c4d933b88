"""Commands as they are printed for somebody to run: quoted, and called as this one was."""

from __future__ import annotations

import os
import shlex


def command(*words: object) -> str:
    """A command line of verydeep that can be pasted into a shell as it is.

    >>> command("train", "--resume", "runs/a b[1]")
    "verydeep train --resume 'runs/a b[1]'"
    """
    return f"{called()} {shlex.join(map(str, words))}"


def called() -> str:
    """What verydeep is run by: `uv run verydeep` in what `uv run` has started."""
    return "uv run verydeep" if os.environ.get("UV_RUN_RECURSION_DEPTH") else "verydeep"
