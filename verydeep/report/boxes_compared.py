"""The page of a comparison of boxes: errors and what they are made of, and where two disagree."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from verydeep.localisation.figures import last_k
from verydeep.localisation.guesses import OVERLAP
from verydeep.parts.dataset import Part
from verydeep.report.boxes import FEW, interval_in_words, mistakes_table
from verydeep.report.html import card, section, table, write_html
from verydeep.report.plots import overlap_histogram
from verydeep.report.protocols import part_of, verdicts
from verydeep.report.shown_boxes import (
    GUESS,
    OTHER,
    TRUE,
    legend_of,
    own_overlaps,
    shown_with,
    true_boxes,
)
from verydeep.report.tables import percent
from verydeep.verbs.compare_boxes import ComparedBoxes, Placed, as_data

SHOWN = 12
"""Pictures shown that one of two tests alone has right."""


def write_boxes_page(found: ComparedBoxes, path: Path, data: str | None = None) -> Path:
    """Writes the page; with `data`, pictures are shown on which the best test and the next differ.

    Raises UserError where the data is not what was tested, or the page cannot be written.
    """
    tests = found.tests
    count = f"{len(tests)} tests" if len(tests) > 1 else "A test"
    sections = [
        f"<header><p>verydeep</p><h1>{count} of boxes in "
        f"{'the same ' if len(tests) > 1 else ''}{len(tests[0].test):,} pictures</h1></header>",
        section("Localisation errors", _errors(tests)),
        section("Which is better", verdicts(found.comparisons)),
        section("What is wrong", _mistakes(tests)),
        section("How well boxes fit", _overlaps(tests)),
    ]
    if data is not None and len(tests) > 1:
        sections.append(section("Where they disagree", _disagreements(tests[0], tests[1], data)))
    return write_html(path, "Boxes compared", sections)


def _errors(tests: Sequence[Placed]) -> str:
    """The errors of every test, and what they are to be held against."""
    given, each = tests[0].test.is_given_class, [one.figures for one in tests]
    papers = [as_data([one])["paper"] for one in tests]
    columns = {"test": [escape(one.name) for one in tests]}
    if given:
        columns["error, %"] = [percent(of.top1) for of in each]
    else:
        columns["top-1 error, %"] = [percent(of.top1) for of in each]
        columns["top-5 error, %"] = [percent(of.top5) for of in each]
    columns["95 % interval"] = [interval_in_words(of.interval5 or of.interval1) for of in each]
    if not given:
        columns["of the class alone"] = [percent(of.named5) for of in each]
    blind = [of.blind.top1 if of.blind.top5 is None else of.blind.top5 for of in each]
    columns["a box in the middle"] = [*map(percent, blind)]
    columns["mean IoU"] = [f"{of.mean_iou:.2f}" for of in each]
    if any(papers):
        columns["paper"] = [f"{of['error']:.1f} ({of['table']})" if of else "-" for of in papers]
    return table([*columns], zip(*columns.values(), strict=True), "numbers") + (
        f"<p>A guess is right where it has the picture's class and overlaps an object of that "
        f"class by more than {OVERLAP:g} (intersection over union){_at(given)}. The interval is "
        f"Wilson's (1927){'' if given else ', of the top-5 error, as are the next two columns'}. A "
        f"box in the middle looks at no picture: it is the best one of the same shares of all of "
        f"them.{_few(tests)}</p>"
    )


def _at(given: bool) -> str:
    return ", the class being given" if given else "; at top-5 one of five guesses is to be right"


def _few(tests: Sequence[Placed]) -> str:
    """What top-5 errors are where five guesses name all classes."""
    if tests[0].test.is_given_class or len(tests[0].test.classes) > FEW:
        return ""
    return " Five guesses name all classes here, so that top-5 errors are of places alone."


def _mistakes(tests: Sequence[Placed]) -> str:
    """Place and class, told apart; nothing where the class was given."""
    each = [(escape(one.name), one.figures.error, one.figures.mistakes5) for one in tests]
    told = [(name, error, wrong) for name, error, wrong in each if wrong is not None]
    if not told:
        return ""
    return mistakes_table(told) + "<p>All of it is of the five guesses of each picture.</p>"


def _overlaps(tests: Sequence[Placed]) -> str:
    """How many boxes overlap by how much, and errors by the size of objects."""
    plots = "".join(
        f"<figure>{overlap_histogram(one.figures.histogram, OVERLAP)}<figcaption>"
        f"{escape(one.name)}</figcaption></figure>"
        for one in tests
    )
    sizes = tests[0].figures.by_size
    head = ["error, %", *(f"{name} ({of.pictures:,})" for name, of in sizes.items())]
    rows = [
        [escape(one.name), *(percent(of.error) for of in one.figures.by_size.values())]
        for one in tests
    ]
    return (
        f'<div class="plots">{plots}</div><h3>By the size of the object</h3>'
        f"{table(head, rows, 'numbers')}<p>In brackets the number of pictures. Small objects fill "
        f"up to a ninth of their picture, medium ones up to four ninths.</p>"
    )


def _disagreements(best: Placed, other: Placed, data: str) -> str:
    """Pictures that the best test has right and the next wrong, and the other way round."""
    part, k = part_of(best.test, data), last_k(best.test)
    wrong = [one.guesses.wrong(k) for one in (best, other)]
    blocks = []
    for here, there in ((0, 1), (1, 0)):
        ours, theirs = (best, other)[here], (best, other)[there]
        which = np.flatnonzero(~wrong[here] & wrong[there])
        count = f"{len(which):,} picture{'' if len(which) == 1 else 's'}"
        blocks.append(
            f"<p>Right: {escape(ours.name)}; wrong: {escape(theirs.name)} ({count}).</p>"
            f'<div class="cards whole">'
            + "".join(_card(part, ours, theirs, i) for i in _clearest(ours, theirs, which))
            + "</div>"
        )
    lines = {"where the object is": TRUE, "the right guess": GUESS, "the wrong one": OTHER}
    return f"{legend_of(lines)}{''.join(blocks)}" + (
        "" if best.test.is_given_class else
        "<p>Guesses are those of the picture's class; where a test has not named it, its first "
        "guess is shown.</p>"
    )  # fmt: skip


def _clearest(ours: Placed, theirs: Placed, which: Int64[np.ndarray, " M"]) -> list[int]:
    """Of these pictures those on whose boxes two tests differ most."""
    one, another = (np.nan_to_num(own_overlaps(test.guesses)) for test in (ours, theirs))
    order = np.argsort(-(one - another)[which], kind="stable")[:SHOWN]
    return [int(i) for i in which[order]]


def _card(part: Part, ours: Placed, theirs: Placed, i: int) -> str:
    """A picture with the true boxes, the guess that is right, and the one that is not."""
    found = ours.test
    (right, overlap), (wrong, less) = (_own_guess(test, i) for test in (ours, theirs))
    first = theirs.test.classes[theirs.test.candidates[i, 0]]
    beside = f"IoU {less:.2f}" if less is not None else f"taken for {escape(first)}"
    caption = (
        f"<b>{escape(found.classes[found.labels[i]])}</b> IoU {overlap:.2f}<br>the other: {beside}"
    )
    boxes = (right, GUESS, False), (wrong, OTHER, False), (true_boxes(found, i), TRUE, False)
    return card(shown_with(part, i, boxes), caption, found.names[i])


def _own_guess(one: Placed, i: int) -> tuple[Float64[np.ndarray, "1 4"], float | None]:
    """The guess of a picture's own class and its IoU; the first guess where there is none."""
    own = one.guesses.is_label[i]
    k = int(own.argmax())
    return one.guesses.boxes[i, [k]], float(one.guesses.overlaps[i, k]) if own.any() else None
