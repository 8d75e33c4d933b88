"""How work is shown, by a clock of the test's own: a pipe gets few lines, a terminal one."""

from __future__ import annotations

import io
import sys

import pytest

from verydeep.runtime.progress import SILENT, Shown
from verydeep.runtime.runtime import Runtime, told


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, to be moved."""
    now = [0.0]
    monkeypatch.setattr("verydeep.runtime.progress.monotonic", lambda: now[0])
    return now


def worked(shown: Shown, clock: list[float], steps: int, seconds: float) -> None:
    """Work of so many steps that takes so long, after which something is said."""
    for done in range(1, steps + 1):
        clock[0] += seconds / steps
        shown.step("working", done, steps, "loss 1.0")
    shown.say("worked")


def test_a_pipe_gets_a_line_each_ten_seconds_and_the_first_and_the_last(
    clock: list[float],
) -> None:
    """Of 100 s: the first, nine of 10 s after each other, the last, and what is said."""
    pipe = io.StringIO()
    worked(Shown(pipe), clock, 1000, 100)
    lines = pipe.getvalue().splitlines()
    assert lines[0] == "working 1/1,000 (0%), loss 1.0"
    assert lines[-2] == "working 1,000/1,000 (100%), 1:40, loss 1.0"
    assert lines[-1] == "worked"
    assert len(lines) - 3 == 9
    assert "\r" not in pipe.getvalue()


def test_a_terminal_has_one_line_renewed_that_leaves_nothing_behind(clock: list[float]) -> None:
    terminal = Terminal()
    worked(Shown(terminal), clock, 1000, 1000)
    text = terminal.getvalue()
    assert text.count("\n") == 1  # of what is said
    assert text.count("\r\x1b[2K") == 1001
    assert text.endswith("\r\x1b[2Kworked\n")
    assert "500/1,000 (50%), 8:20 left" in text


def test_work_is_shown_where_stderr_is_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made before a notebook or a test changes stderr follows the change."""
    shown, later = Shown(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", later)
    shown.say("hello")
    shown.step("working", 1, 1)
    assert later.getvalue().startswith("hello\nworking 1/1 (100%)")


def test_work_without_a_stderr_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", None)
    Shown().say("hello")
    Shown().step("working", 1, 2)


def test_python_is_told_unless_a_listener_is_named() -> None:
    assert type(Runtime().progress) is Shown
    assert told(None, SILENT).progress is SILENT
    runtime = Runtime(progress=SILENT, save_every=7)
    assert told(runtime, None) is runtime
    ear = Shown()
    assert told(runtime, ear).progress is ear
    assert told(runtime, ear).save_every == 7
