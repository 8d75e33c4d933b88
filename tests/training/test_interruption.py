"""Ctrl-C and SIGTERM while training: by signals that this process sends itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.conftest import TWO_CORES
from verydeep.commands.console import Console
from verydeep.errors import Stopped
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime
from verydeep.training import recorder
from verydeep.training.interruption import interruption
from verydeep.verbs.train import train


class Left(Exception):  # noqa: N818
    """Raised in place of leaving the process."""


def left() -> None:
    raise Left


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_answered_at_once_and_a_second_ctrl_c_leaves(first: signal.Signals) -> None:
    said: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with interruption(lambda: said.append("after this step"), left) as noted:
        signal.raise_signal(first)
        assert noted.asked
        signal.raise_signal(signal.SIGTERM)  # torchrun sends several
        assert said == ["after this step"]
        with pytest.raises(Left):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_answer_that_cannot_be_written_now_stops_all_the_same() -> None:
    def answer() -> None:
        raise RuntimeError("reentrant call")

    with interruption(answer, left) as noted:
        signal.raise_signal(signal.SIGINT)
        assert noted.asked


class Interrupting(Progress):
    """Asks for an end when so many steps are done; keeps what is said."""

    def __init__(self, after: int) -> None:
        self.after, self.lines = after, list[str]()

    def say(self, line: str) -> None:
        self.lines.append(line)
        if self.after == 0 and line.startswith("training: "):
            signal.raise_signal(signal.SIGINT)

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        if what == "training" and done == self.after:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("after", "number"), [(0, 1), (2, 3)])
def test_it_is_said_what_a_second_ctrl_c_would_lose(after: int, number: int) -> None:
    """Nothing was saved before: it is all the steps so far, and the one at work."""
    progress = Interrupting(after)
    runtime = Runtime(TWO_CORES.machine, progress=progress)
    with pytest.raises(Stopped) as stopped:
        train(
            "drawn:100x48", Path("run"), runtime, net="A", width=0.125, crop=32, scale=40,
            batch=16, epochs=2,
        )  # fmt: skip
    lost = f"the last {number:,} step{'s' if number > 1 else ''}"
    assert (
        f"stopping after step {number}, to save it; Ctrl-C again leaves now, and loses {lost}"
        in progress.lines
    )
    assert "verydeep train --resume run" in str(stopped.value)


def test_epochs_that_take_long_or_are_kept_have_their_line_and_the_kept_say_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a log holds the one that is kept, and a thousand short epochs are no flood."""
    monkeypatch.setattr(recorder, "SECONDS_A_LINE", 1e9)
    runtime = Runtime(TWO_CORES.machine, progress=Console())
    run = train(
        "drawn:100x48", Path("run"), runtime, net="A", width=0.125, crop=32, scale=40, batch=16,
        epochs=12,
    )  # fmt: skip
    lines = [line for line in capsys.readouterr().err.split("\n") if line.startswith("epoch ")]
    said = [int(line.split("/")[0].removeprefix("epoch ")) for line in lines]
    kept = [number for number, line in zip(said, lines, strict=True) if line.endswith(", kept")]
    best = [
        e.epoch for e in run.epochs
        if min(run.epochs[: e.epoch], key=lambda o: (o.figures["top1"], o.validation_loss)) is e
    ]  # fmt: skip
    assert kept == best
    assert said == sorted({1, *best, 12})
    assert kept[-1] == run.best.epoch
    assert all(len(line) <= 80 for line in lines if "waiting" not in line)


def test_leaving_at_once_is_exit_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(SystemExit, match="130"):
        Console().leave()
    assert capsys.readouterr().err == "verydeep: left at once\n"
