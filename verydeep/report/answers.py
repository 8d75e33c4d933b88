"""What the page of a run says of a classifier's answers: errors, mistakes, where it looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from verydeep.evaluation.chance import blind, no_better
from verydeep.evaluation.metrics import class_errors, confusion, interval, mistakes, wrong
from verydeep.evaluation.posteriors import Posteriors
from verydeep.nets.network import Network
from verydeep.parts.annotations import Labels
from verydeep.report.html import CUE, section, table
from verydeep.report.maps import where_it_looks
from verydeep.report.mistakes_seen import worst_mistakes
from verydeep.report.tables import percent
from verydeep.report.top_units import top_units
from verydeep.verbs.measure import Tested

MATRIX = 20
"""Classes up to which confusion is shown as a matrix; of more, the commonest mistakes."""
WIDE = 6
"""Classes from which on a matrix is wider than the screen of a phone."""
CHOSE = (
    "The validation part chose the weights that were kept, so its error flatters; the test part is "
    "tested once, at the end."
)
OPEN = 20
"""Classes whose errors are shown at once; of more, the others are folded in."""


def errors_in_short(tests: Sequence[Tested]) -> Iterator[tuple[str, str]]:
    """Errors of the last test and what they are, for the head of a page."""
    dense = tests[-1]
    role, name = dense.scores.role, dense.scores.protocol.name
    yield f"{dense.top1:.1f} %", f"top-1 {role} error, {name}; 95 %: {_between(dense, 1)}"
    if len(dense.scores.classes) > 5:
        yield f"{dense.top5:.1f} %", f"top-5 {role} error, {name}; 95 %: {_between(dense, 5)}"


def _between(tested: Tested, k: int) -> str:
    """Where the top-k error lies with 95 % confidence."""
    low, high = interval(wrong(tested.scores.posteriors, tested.scores.labels, k))
    return f"{low:.1f} to {high:.1f}"


def sections_of_answers(network: Network, tested: Tested) -> list[str]:
    """What is said of each class and of single pictures; of boards, which are none, of classes."""
    of_classes = [
        section("Classes", _classes(tested)),
        section("What is taken for what", _confusion(tested)),
    ]
    if network.table.reads_boards:
        return of_classes
    return [
        *of_classes,
        section("Worst mistakes", worst_mistakes(network, tested)),
        section("Where the network looks", where_it_looks(network, tested)),
        section("What its units like", top_units(network, tested)),
    ]


def errors(tests: Sequence[Tested], chose: str = CHOSE) -> str:
    """The errors of every test, with what they are to be held against, and what the parts chose."""
    scores = tests[-1].scores
    blindly = str(blind(scores.labels, scores.classes))
    warning = no_better(scores.posteriors, scores.labels, scores.classes)
    more = f" This network is {warning}." if warning else ""
    rows = []
    for t in tests:
        label = escape(f"{t.scores.role}, {t.scores.protocol}")
        five = (percent(t.top5), _between(t, 5)) if len(t.scores.classes) > 5 else ("-", "-")
        errors = percent(t.top1), _between(t, 1), *five
        rows.append((label, f"{len(t.scores.labels):,}", *errors))
    head = ("part, protocol", "pictures", "top-1 error, %", "95 % interval", "top-5 error, %",
            "95 % interval")  # fmt: skip
    last = tests[-1].scores.role
    none = "" if last == "test" else " This data has none."
    return table(head, rows, "numbers") + (
        f"<p>{chose}{none} An interval is where the error lies with 95 % "
        f"confidence for other pictures of the kind; another seed is another network.</p>"
        "<p>Q is the smaller side that pictures are rescaled to, in pixels. Dense runs the network "
        "over the whole picture and its mirror image; the scores are averaged over space before "
        "the soft-max, the posteriors over both (Sect. 3.2 of the paper).</p>"
        f"<p>{escape(blindly[0].upper() + blindly[1:] + '.' + more)}</p>"
    )


def _classes(tested: Tested) -> str:
    """The error of each class, the worst first; of many, the others are folded in."""
    scores = tested.scores
    missed = wrong(scores.posteriors, scores.labels)
    errors = class_errors(scores.posteriors, scores.labels)
    rows = []
    for i in sorted(range(len(errors)), key=lambda i: -(errors[i] or 0)):
        own = missed[scores.labels == i]
        bar = f'<i style="width:{errors[i] or 0:.1f}%"></i>'
        low, high = interval(own) if len(own) else (0.0, 0.0)
        between = f"{low:.0f} to {high:.0f}" if len(own) else "-"
        name = escape(scores.classes[i])
        rows.append((name, f"{len(own):,}", percent(errors[i]), between, bar))
    head = ("class", "pictures", "top-1 error, %", "95 % interval", "")
    shown, others = (rows, []) if len(rows) <= OPEN else (rows[:OPEN], rows[OPEN:])
    folded = (
        f"<details><summary>The other {len(others):,} classes</summary>"
        f"{table(head, others, 'numbers bars')}</details>"
        if others
        else ""
    )
    said = f"<p>The {scores.part} part; {escape(str(scores.protocol))}.</p>"
    return table(head, shown, "numbers bars") + folded + said


def _confusion(tested: Tested) -> str:
    scores = tested.scores
    return confusions(scores.posteriors, scores.labels, scores.classes)


def confusions(posteriors: Posteriors, labels: Labels, names: Sequence[str]) -> str:
    """What pictures of each class were taken for; of many classes the commonest mistakes."""
    classes = [escape(name) for name in names]
    if len(classes) > MATRIX:
        return _commonest(mistakes(posteriors, labels), classes)
    counts = confusion(posteriors, labels)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    head = "".join(f"<th><span>{name}</span></th>" for name in classes)
    body = "".join(
        f"<tr><th>{name}</th>"
        + "".join(
            f'<td class="{"right" if i == j else "mistake"}" style="--share:{shares[i, j]:.3f}" '
            f'title="{name} taken for {classes[j]}: {counts[i, j]}">{counts[i, j] or ""}</td>'
            for j in range(len(classes))
        )
        + "</tr>"
        for i, name in enumerate(classes)
    )
    return (
        f"{CUE if len(classes) > WIDE else ''}"
        f'<div class="scroll"><table class="matrix"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        "<p>A row is what the picture shows, a column what it was taken for.</p>"
    )


def _commonest(
    found: Sequence[tuple[int, int, int]], classes: Sequence[str], most: int = 20
) -> str:
    rows = [(classes[i], classes[j], f"{n}") for n, i, j in found[:most]]
    return table(("shows", "taken for", "pictures"), rows, "numbers")
