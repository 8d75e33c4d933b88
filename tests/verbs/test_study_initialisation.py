"""The study of initialisation from plan to page; one of its beginnings can only fail.

A net whose weights deviate by 100 gives infinite scores at once. Numbers are held against the score
files, which are read here by themselves.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TWO_CORES
from verydeep.commands.study import answer, dry
from verydeep.evaluation.scores import load_scores, save_scores
from verydeep.studies import beginnings as ways
from verydeep.studies import deep_stack, sizes
from verydeep.studies.initialisation import initialisation
from verydeep.studies.sizes import Size
from verydeep.verbs import beginnings, study_asked
from verydeep.verbs.study import Studied, study
from verydeep.verbs.study_plan import Planned, planned

DATA = "drawn:40x48"  # of which 10 are to test on, one of each class


@pytest.fixture(autouse=True)
def _least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sizes.SIZES, "least", Size("least", 0.125, 32, 40, (32, 48), 2, 2, (0.02,)))
    monkeypatch.setattr(study_asked, "LEAST", 10)
    monkeypatch.setattr(ways, "RANDOM", ("gaussian:100", "glorot"))
    monkeypatch.setattr(ways, "_ENDS", {ways.PLAINLY: ""})
    monkeypatch.setattr(deep_stack, "UNITS", 20)
    monkeypatch.setattr(deep_stack, "INPUTS", 50)
    monkeypatch.setattr(beginnings, "NETS", ("A", "B"))
    few = partial(initialisation, nets=("A", "B"), initials=("he", "gaussian:100"), reruns=5)
    monkeypatch.setattr(beginnings, "initialisation", few)


def done() -> Studied:
    return study("initialisation", DATA, "s", TWO_CORES, size="least", seeds=2)


def to_do() -> Planned:
    return planned("initialisation", DATA, "s", size="least", seeds=2)


@pytest.mark.timeout(300)
def test_what_fails_is_shown_and_counts_as_an_answer_that_looks_at_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = to_do().left
    assert left[-1] == "signals.safetensors"
    assert f"{len(left)} steps (0 are done)" in dry(to_do(), TWO_CORES, json=False)
    found = done()
    said = answer(found, json=False)
    text, page = Path("s/study.md").read_text(), Path("s/report.html").read_text()

    # ten classes alike and one picture of each: the first class is named, and nine are missed
    assert (
        "| gaussian:100 | without norms | - | 90.0 ± 0.0 | 90.0 (failed), 90.0 (failed) |" in text
    )
    assert "gaussian:100, without norms, seed 1 failed, and counts as an answer that looks" in text
    assert "the loss is not finite at step 1 (rate " in said
    assert '<a href="D-gaussian-100-0/failed.txt">90.0 (failed)</a>' in page
    failed = found.filled["Sect. 3.1", "gaussian:100", ways.PLAINLY]
    assert failed.missed.sum(1).tolist() == [9, 9]

    tests = [load_scores(*Path(f"s/D-from-A-{s}/scores").glob("*-test-dense-40-*")) for s in (0, 1)]
    errors = [100 * float((t.posteriors.argmax(1) != t.labels).mean()) for t in tests]
    row = f"| from A | without norms | - | {np.mean(errors):.1f} ± {np.std(errors, ddof=1):.1f} |"
    assert row in text
    assert [judged.finding.key for judged in found.judged] == ["F14"]
    assert "### A: deviation of values\n\n| layer | he | gaussian:100 |\n" in text
    assert "### B: deviation of values\n\n| layer | he | gaussian:100 | from A |\n" in text
    assert "The lecture's deep stack" in page

    assert to_do().left == ()
    other = replace(tests[0], posteriors=tests[0].posteriors[::-1].copy(), data="another")
    save_scores(other, Path("s/D-from-A-0/scores/aaa.safetensors"))  # is not looked at
    monkeypatch.delattr(beginnings, "_measured")  # the second time signals are read
    assert answer(done(), json=False) == said
    assert (Path("s/study.md").read_text(), Path("s/report.html").read_text()) == (text, page)
