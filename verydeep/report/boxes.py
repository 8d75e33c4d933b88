"""What the page of a run says of boxes: errors of place and class, overlaps, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from verydeep.evaluation.metrics import Interval
from verydeep.localisation.figures import Figures, Mistakes, figures
from verydeep.localisation.guesses import OVERLAP
from verydeep.localisation.published import published_boxes
from verydeep.report.answers import CHOSE
from verydeep.report.html import section, table
from verydeep.report.plots import overlap_histogram
from verydeep.report.shown_boxes import before_and_after, best_and_worst
from verydeep.report.tables import percent
from verydeep.verbs.measure_boxes import Located

FEW = 5
"""Classes up to which five guesses name all."""


@dataclass(frozen=True)
class Judged:
    """A test of boxes, and what it came to, which takes a while to work out."""

    test: Located
    came_to: Figures

    @property
    def errors(self) -> Iterator[tuple[int, float, Interval]]:
        """(k, top-k error, its interval); of top-5 only where it says something."""
        yield 1, self.came_to.top1, self.came_to.interval1
        five, interval = self.came_to.top5, self.came_to.interval5
        if five is not None and interval is not None and len(self.test.found.classes) > FEW:
            yield 5, five, interval


def judged(tests: Sequence[Located]) -> list[Judged]:
    """Tests with what they came to."""
    return [Judged(test, figures(test.found)) for test in tests]


def boxes_in_short(tests: Sequence[Judged]) -> Iterator[tuple[str, str]]:
    """Errors of the last test and what they are, for the head of a page."""
    last = tests[-1]
    found = last.test.found
    how = "the class given" if found.is_given_class else "dense"
    for k, error, interval in last.errors:
        what = "" if found.is_given_class else f"top-{k} "
        between = interval_in_words(interval)
        yield f"{error:.1f} %", f"{what}{found.role} localisation error, {how}; 95 %: {between}"


def interval_in_words(interval: Interval) -> str:
    """An interval in words."""
    low, high = interval
    return f"{low:.1f} to {high:.1f}"


def errors_of_boxes(tests: Sequence[Judged]) -> str:
    """The errors of every test, of the class alone, and what they are to be held against."""
    rows = []
    for one in tests:
        found, came_to = one.test.found, one.came_to
        named = {1: came_to.named1, 5: came_to.named5}
        for k, error, interval in one.errors:
            of_class = "given" if found.is_given_class else percent(named[k])
            what = "" if found.is_given_class else f"; top-{k}"
            label = escape(f"{found.role}, {found.title}{what}")
            rows.append(
                (label, f"{len(found):,}", percent(error), interval_in_words(interval), of_class)
            )
    head = ("part, protocol", "pictures", "error, %", "95 % interval", "of the class alone, %")
    last = tests[-1]
    none = "" if last.test.found.role == "test" else " This data has none."
    blind, warning = str(last.came_to.blind), last.came_to.no_better
    more = escape(f" These boxes are {warning}.") if warning else ""
    return table(head, rows, "numbers") + (
        f"<p>A guess is right where it has the picture's class and overlaps an object of that "
        f"class by more than {OVERLAP:g} (intersection over union); at top-5 one of five guesses "
        f"is to be right (Appendix A of the paper). {CHOSE}{none}</p><p>{_protocols(tests)}</p>"
        f"<p>{escape(blind[0].upper() + blind[1:])}.{more}{_paper(last.test)}</p>"
    )


def _protocols(tests: Sequence[Judged]) -> str:
    """How boxes came about."""
    given = "By one centre crop the box of the class that is there is asked for."
    dense = [one.test.found for one in tests if not one.test.found.is_given_class]
    if not dense:
        return f"{given} No classifier was there to say which classes to ask for."
    by, threshold = escape(dense[-1].candidates_by), dense[-1].threshold
    return (
        f"{given} By dense boxes, classes are those that are most probable by {by}; there is a box "
        f"for each of them at every position of the picture and its mirror image, rated by the "
        f"posterior there. Boxes of a class are merged up to a match score of {threshold:g}, and "
        f"what has the most of the ratings is its guess."
    )


def _paper(test: Located) -> str:
    paper = published_boxes([test.found])
    return f" The paper ({paper.table}): {paper.validation:.1f} %." if paper else ""


def sections_of_boxes(tests: Sequence[Judged]) -> list[str]:
    """What is said of overlaps, of what is wrong, and of single pictures, by the last test."""
    last = tests[-1]
    return [
        section("How well boxes fit", _overlaps(last)),
        section("What is wrong", _mistakes(last)),
        section("Best and worst boxes", best_and_worst(last.test)),
        section("Boxes before and after merging", before_and_after(last.test)),
    ]


def _overlaps(one: Judged) -> str:
    came_to, found = one.came_to, one.test.found
    rows = [
        (name, f"{of.pictures:,}", percent(of.error), f'<i style="width:{of.error or 0:.1f}%"></i>')
        for name, of in came_to.by_size.items()
    ]
    k = "" if found.is_given_class else "top-5 "
    sizes = table(("the object is", "pictures", f"{k}error, %", ""), rows, "numbers bars")
    return (
        f'<div class="plots"><figure>{overlap_histogram(came_to.histogram, OVERLAP)}</figure>'
        f"<div>{sizes}<p>Small objects fill up to a ninth of their picture, medium ones up to four "
        f"ninths.</p></div></div>"
        f"<p>The {escape(found.part)} part; {escape(found.title)}. The mean overlap of the box of "
        f"the true class with the object is {came_to.mean_iou:.3f}, of the pictures that have this "
        f"class among their guesses.</p>"
    )


def _mistakes(one: Judged) -> str:
    """Place and class, told apart; nothing where the class was given."""
    if one.test.found.is_given_class:
        return ""
    kinds: dict[int, Mistakes | None] = {1: one.came_to.mistakes1, 5: one.came_to.mistakes5}
    each = [(f"top-{k}", error, kinds[k]) for k, error, _ in one.errors]
    return mistakes_table([(of, error, wrong) for of, error, wrong in each if wrong is not None])


def mistakes_table(each: Sequence[tuple[str, float, Mistakes]]) -> str:
    """Of each row, whose name is HTML already, the share that is right, and what else is wrong."""
    rows = [
        (of, percent(100 - error), *map(percent, (wrong.place, wrong.name, wrong.both)))
        for of, error, wrong in each
    ]
    head = ("of all pictures, %", "right", "the place alone", "the class alone", "both")
    return table(head, rows, "numbers") + (
        "<p>The place is wrong where the true class is among the guesses and its box is not where "
        "an object is; the class, where it is not, though a box of another class is there.</p>"
    )
