"""The page of a run of boxes, and what is printed at its end.

Which pictures are shown is by hand, of the tests in tests/localisation/made.py; errors on the page
are those of `figures`, which tests/localisation holds.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import TWO_CORES
from tests.localisation.made import centre, dense, four
from tests.report.test_report import ODD, Page
from verydeep.commands.train_answer import _asked, answer
from verydeep.localisation.figures import figures
from verydeep.localisation.guesses import guesses
from verydeep.parts.dataset import Part
from verydeep.report.boxes import errors_of_boxes, judged, sections_of_boxes
from verydeep.report.page import write_page
from verydeep.report.plots import overlap_histogram
from verydeep.report.shown_boxes import _best, _some, _worst, own_overlaps
from verydeep.report.tables import percent
from verydeep.runtime.progress import SILENT
from verydeep.verbs.measure_boxes import Located
from verydeep.verbs.run import Run
from verydeep.verbs.train import train

SMALL: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "fc": 16, "scale": 40, "batch": 20, "rate": 0.01,
    "micro_batch": 10, "initial": "he", "epochs": 1, "patience": 2, "progress": SILENT,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A net of boxes that started from a classifier, so that it ends with both protocols."""
    folder = tmp_path_factory.mktemp("page")
    train("drawn:40x48", folder / "classes", TWO_CORES, **SMALL)
    given = {**SMALL, "task": "localise", "start": str(folder / "classes"), "tune": "fc"}
    return train("drawn:40x48", folder / "boxes", TWO_CORES, **given)


def located(found: Any) -> Located:
    """A test of grey pictures of 100 x 200."""
    grey = np.full((100, 200, 3), 128, np.uint8)
    return Located(found, Part(found.names, found.labels, lambda i: grey), None)


def test_the_page_of_a_run_of_boxes_is_whole_and_stands_alone(run: Run) -> None:
    text = write_page(run).read_text()
    page = Page(text)
    assert page.open == []
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in page.links)
    for title in (
        "Localisation errors", "How well boxes fit", "What is wrong", "Best and worst boxes",
        "Boxes before and after merging",
    ):  # fmt: skip
        assert f"<h2>{title}</h2>" in text
    assert "<h2>Figures</h2>" not in text
    assert page.tags.count("svg") == 3 + 2 + 3  # plots, and the lines of two legends
    assert "IoU" in text


def test_the_page_says_the_errors_that_were_measured(run: Run) -> None:
    page = Page(write_page(run).read_text())
    assert [one.found.protocol.name for one in run.located] == ["centre", "dense"] * (
        len(run.located) // 2
    )
    for one in run.located:
        came_to, found = figures(one.found), one.found
        top1 = found.role + ", " + found.title + ("" if found.is_given_class else "; top-1")
        row = page.cells[page.cells.index(top1) + 1 :][:4]
        assert row[:2] == [f"{len(found)}", percent(came_to.top1)]
        assert row[3] == ("given" if found.is_given_class else percent(came_to.named1))
        if not found.is_given_class:
            place = page.cells.index(f"{found.role}, {found.title}; top-5")
            assert page.cells[place + 2] == percent(came_to.top5)
            assert page.cells[place + 4] == percent(came_to.named5)
    last = figures(run.located[-1].found)
    role = run.located[-1].found.role
    assert f"<b>{last.top1:.1f} %</b><span>top-1 {role} localisation error, dense" in page.text
    assert f"<b>{last.top5:.1f} %</b><span>top-5 {role} localisation error, dense" in page.text


def test_a_run_without_a_classifier_has_a_page_of_given_classes(run: Run) -> None:
    given = tuple(one for one in run.located if one.found.is_given_class)
    text = write_page(replace(run, located=given), Path("page.html")).read_text()
    assert "No classifier was there" in text
    assert "localisation error, the class given" in text
    for title in ("What is wrong", "Boxes before and after merging"):
        assert f"<h2>{title}</h2>" not in text
    assert Page(text).open == []


def test_best_and_worst_are_by_the_box_of_the_true_class() -> None:
    """IoU of it are 1, 1, 0.5 and, the class not being among the candidates, none."""
    found = four()
    own = own_overlaps(guesses(found))
    np.testing.assert_allclose(own, [1, 1, 0.5, np.nan])
    assert _best(found, own) == [0, 1, 2]  # of classes 0, 2 and 1
    assert _worst(own) == [2, 0, 1]
    assert _some(found) == [0, 2]  # those that are taken for what they are
    page = Page("".join(sections_of_boxes(judged([located(found)]))))
    assert page.text.count("IoU 1.00") == 4
    assert page.text.count("IoU 0.50") == 2
    assert "<b>owl</b> IoU 1.00<br>taken for cat" in page.text
    # one is right, one has its place alone wrong, one its class alone, one both
    assert page.cells[page.cells.index("top-1") :][:5] == ["top-1", *["25.0"] * 4]


def test_mistakes_and_sizes_are_those_of_the_figures() -> None:
    """By hand in made.py: two of the three small and medium objects, and one of the large."""
    found = four()
    came_to = figures(found)
    page = Page("".join(sections_of_boxes(judged([located(found)]))))
    for name, of_size in came_to.by_size.items():
        row = page.cells[page.cells.index(name) + 1 :][:2]
        assert row == [f"{of_size.pictures}", percent(of_size.error)]
    assert f"{came_to.mean_iou:.3f}" in page.text


def test_boxes_are_counted_before_and_after_merging() -> None:
    """Two that are the same, and one alone."""
    page = "".join(sections_of_boxes(judged([located(dense())])))
    assert "<b>cat</b> 2 boxes, 1 once merged" in page
    assert "<b>owl</b> 1 box, 1 once merged" in page
    assert "What is wrong" in page
    assert "once merged" not in "".join(sections_of_boxes(judged([located(centre())])))


def test_names_are_text_on_the_page_of_boxes() -> None:
    found = four()
    odd = replace(
        found,
        classes=tuple(ODD + name for name in found.classes),
        names=tuple(ODD + name for name in found.names),
        candidates_by=ODD,
    )
    tests = judged([located(odd)])
    text = errors_of_boxes(tests) + "".join(sections_of_boxes(tests))
    assert Page(text).open == []
    assert ODD not in text
    assert "&lt;b&gt;&amp;&quot;owl" in text


def test_bars_above_one_half_have_the_colour_of_what_is_right() -> None:
    svg = overlap_histogram(range(1, 11), 0.5)
    bars = re.findall(r'<path d="[^"]*z[^"]*" [^>]*style="fill: var\(--(\w+)\)', svg)
    assert bars == ["second"] * 5 + ["first"] * 5


# --- what is printed at the end of a run


def test_the_end_of_a_run_says_the_errors_of_both_protocols(run: Run) -> None:
    printed = answer(run, json=False).split("\n")
    for one in run.located:
        came_to, found = figures(one.found), one.found
        (line,) = (p for p in printed if p.startswith(f"{found.role}, {found.protocol.name} "))
        assert line.split()[2] == percent(came_to.top1)
    assert any(line.startswith("without looking: a box in the middle") for line in printed)
    assert all(len(line) <= 80 for line in printed[: 1 + len(run.located)])
    about = json.loads(answer(run, json=True))
    assert [test["top1"] for test in about["tests"]] == [
        figures(one.found).top1 for one in run.located
    ]
    assert set(about["figures"]) == {one.found.role for one in run.located}


def test_a_run_of_boxes_that_might_have_looked_at_nothing_says_so(run: Run) -> None:
    """One with a net that is hardly trained, and one that has all boxes where objects are."""
    assert "warning  no better than a box in the middle" in answer(run, json=False)
    assert "These boxes are no better than a box in the middle" in write_page(run).read_text()
    found = run.located[0].found
    assert found.is_given_class
    perfect = replace(found, boxes=found.truth.objects.boxes[:, None].astype(np.float32))
    better = replace(run, located=(replace(run.located[0], found=perfect),))
    printed = answer(better, json=False)
    assert "warning" not in printed
    assert re.search(r"use it   .*predict \S+ PICTURE --classifier WEIGHTS", printed)


def test_a_net_that_knows_no_classifier_is_used_with_one(run: Run) -> None:
    given = tuple(one for one in run.located if one.found.is_given_class)
    assert _asked(replace(run, located=given)) == ["--classifier", "WEIGHTS"]
    assert _asked(run) == []
