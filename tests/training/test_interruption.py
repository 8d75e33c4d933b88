"""Ctrl-C and SIGTERM while training: by signals that this process sends itself."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TWO_CORES
from verydeep.commands.console import Console
from verydeep.errors import Stopped
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime
from verydeep.training import recorder
from verydeep.training.interruption import interruption
from verydeep.verbs.train import resume, train
from verydeep.weights import hash_of


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


class AtTheEnd(Progress):
    """Asks for an end as the last of two epochs is said, when no step is left; keeps lines."""

    def __init__(self) -> None:
        self.lines = list[str]()

    def say(self, line: str) -> None:
        self.lines.append(line)
        if line.startswith("epoch 2/2"):
            signal.raise_signal(signal.SIGINT)


def test_after_the_last_step_it_stops_before_the_tests_and_a_run_goes_on_to_them() -> None:
    small: dict[str, Any] = {"net": "A", "width": 0.125, "crop": 32, "scale": 40, "batch": 16}
    small["epochs"] = 2
    progress = AtTheEnd()
    with pytest.raises(Stopped, match="stopped after step 12 of 12"):
        train("drawn:100x48", Path("run"), Runtime(TWO_CORES.machine, progress=progress), **small)
    assert not list(Path("run/scores").glob("*"))
    (said,) = (line for line in progress.lines if line.startswith("stopping"))
    assert said.startswith("stopping now; Ctrl-C again leaves now")
    resumed = resume("run", TWO_CORES)
    whole = train("drawn:100x48", Path("whole"), TWO_CORES, **small)
    assert [t.top1 for t in resumed.tests] == [t.top1 for t in whole.tests]
    assert hash_of(resumed.network) == hash_of(whole.network)


def leave_with(code: int) -> None:
    """Takes the place of leaving the process."""
    raise SystemExit(code)


def test_leaving_at_once_is_exit_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "_exit", leave_with)
    with pytest.raises(SystemExit, match="130"):
        Console().leave()
    assert capsys.readouterr().err == "verydeep: left at once\n"


@pytest.mark.parametrize("error", [RuntimeError("reentrant call"), BrokenPipeError()])
def test_leaving_needs_nobody_to_tell(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a line is being written while the second Ctrl-C comes, or nobody reads."""

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    monkeypatch.setattr(os, "_exit", leave_with)
    monkeypatch.setattr(sys, "stderr", Stuck())
    with pytest.raises(SystemExit, match="130"):
        Console().leave()
