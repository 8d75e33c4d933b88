"""The verbs from Python: what they show, say and give back, and how they are interrupted.

The interval of no mistake in ten is worked out by hand from Wilson's formula, z^2 / (n + z^2).
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verydeep
from verydeep import SILENT, Progress, Stopped
from verydeep.datasets import open_dataset
from verydeep.evaluation.predictor import Prediction
from verydeep.evaluation.scores import Scores
from verydeep.evaluation.views import Protocol
from verydeep.verbs import measure as measuring
from verydeep.verbs.run import Run

DATA = "drawn:30x40"
SMALL: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "scale": (40, 40), "batch": 10, "epochs": 2,
    "bad_start": "train",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return verydeep.train(DATA, tmp_path_factory.mktemp("run") / "A", progress=SILENT, **SMALL)


def test_training_shows_how_far_it_is_and_is_silent_for_whoever_asks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verydeep.train(DATA, "shown", **SMALL)
    shown = capsys.readouterr()
    assert "training 6/6 (100%)" in shown.err
    assert "net " in shown.err
    assert len(shown.err.splitlines()) < 60
    verydeep.train(DATA, "silent", progress=SILENT, **SMALL)
    verydeep.evaluate("silent", DATA, progress=SILENT)
    assert capsys.readouterr() == ("", "")


def test_training_off_the_main_thread_ends_as_on_it(run: Run) -> None:
    """Signals are the main thread's; the weights are the same to the bit."""
    found: list[Run] = []

    def train() -> None:
        found.append(verydeep.train(DATA, "thread", progress=SILENT, **SMALL))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    for name, ours in run.network.state_dict().items():
        assert found[0].network.state_dict()[name].equal(ours)


class Impatient(Progress):
    """Presses Ctrl-C once, at a step of some work, as a notebook's button for it does."""

    def __init__(self, what: str) -> None:
        self.what = what

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        if self.what and what.startswith(self.what) and done > 1:
            self.what = ""
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Within, Ctrl-C is not ignored, as it is by what a shell has put into the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("what", ["reading", "training", "testing, dense"])
def test_a_training_that_is_interrupted_anywhere_goes_on_to_the_same_bits(
    what: str, run: Run
) -> None:
    with pytest.raises((KeyboardInterrupt, Stopped)) as left:
        verydeep.train(DATA, "cut", progress=Impatient(what), **SMALL)
    if what == "training":
        assert str(left.value).startswith("stopped after step 2 of 6, saved; go on with")
    found = verydeep.resume("cut", progress=SILENT)
    for name, ours in run.network.state_dict().items():
        assert found.network.state_dict()[name].equal(ours)
    np.testing.assert_array_equal(
        found.tests[-1].scores.posteriors, run.tests[-1].scores.posteriors
    )


def test_what_verbs_give_back_is_a_short_line_with_its_interval(run: Run) -> None:
    test = run.tests[-1]
    low, high = (f"{v:.1f}" for v in _wilson(test.scores))
    error = f"error {test.top1:.1f} % ({low} to {high} with 95 % confidence) on 10 pictures"
    for said in (repr(run), repr(test), repr(test.scores)):
        assert error in said
        assert len(said) < 500
        assert "\n" not in said
    assert repr(run).startswith(f"Run({run.folder}: net A, 10 classes; epoch ")
    assert repr(run.dataset) == (
        "Dataset(drawn:30x40, drawn: 10 classes (arrow, crescent, cross and 7 more); "
        f"{', '.join(f'{name} {len(part)}' for name, part in run.dataset.parts.items())})"
    )
    assert len(repr(open_dataset(DATA).train)) < 100


def _wilson(scores: Scores) -> tuple[float, float]:
    """Wilson's interval solved for, as the roots of (p - e)^2 = z^2 p (1 - p) / n."""
    n, z2 = len(scores.labels), 1.959964**2
    error = float((scores.posteriors.argmax(1) != scores.labels).mean())
    roots = np.sort(np.roots([1 + z2 / n, -(2 * error + z2 / n), error**2]).real)
    return 100 * roots[0], 100 * roots[1]


def test_no_mistake_in_ten_is_said_to_be_up_to_28_percent() -> None:
    posteriors = np.eye(2, dtype=np.float32)[[0] * 10]
    scores = Scores(
        posteriors, np.zeros(10, np.int64), ("a",) * 10, ("x" * 300, "y"),
        Protocol("dense", 32, (64,)), "w", "d",
    )  # fmt: skip
    assert "test error 0.0 % (0.0 to 27.8 with 95 % confidence) on 10 pictures" in repr(scores)
    part = open_dataset(DATA).validation
    assert len(repr(measuring.Tested(scores, part, Path("a" * 100)))) < 500


def test_predicting_by_a_file_answers_as_the_network_does(run: Run) -> None:
    pictures = [run.dataset.validation.source(i) for i in range(3)]
    ours = run.network.predict(pictures, top=1)
    found = verydeep.predict(run.folder, pictures, top=1)
    assert [answer[0][0] for answer in found] == [answer[0][0] for answer in ours]
    one = verydeep.predict(run.folder, pictures[0], top=1)
    assert one == found[0]
    with pytest.raises(verydeep.UserError, match="top 0"):
        verydeep.predict(run.folder, pictures, top=0)


def test_a_prediction_says_its_most_probable_classes() -> None:
    import torch

    found = Prediction(tuple(map(str, range(1000))), torch.eye(1000)[7])
    assert repr(found).startswith("Prediction(7 1.000, ")
    assert len(repr(found)) < 60


def test_a_script_from_stdin_trains() -> None:
    script = f"import verydeep\nprint(verydeep.train({DATA!r}, 'run', **{SMALL!r}))\n"
    done = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Run(run: net A, 10 classes; epoch ")
