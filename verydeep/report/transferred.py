"""The page of a transfer: what was done, what it errs, what it is sure and unsure of."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np

from verydeep.descriptors.sources import sources_of
from verydeep.nets.stack import Stack
from verydeep.parts.annotations import classes_in
from verydeep.report.answers import errors, errors_in_short, sections_of_answers
from verydeep.report.html import section, table, write_html
from verydeep.report.tables import percent
from verydeep.report.tags import precisions, sections_of_tags, tags_in_short
from verydeep.report.thumbnails import thumbnail
from verydeep.report.transfer_page import Judged, class_table, curves, hardest, maps
from verydeep.verbs.transfer import Transferred

MAPPED = 96
"""Pixels of the larger side of a picture on the map."""
CHOSE = "No part that was set aside chose anything, so that each is a test."


def write_page(found: Transferred, path: Path | None = None) -> Path:
    """Writes the page of a transfer, by default `report.html` in its folder; gives its path."""
    path = path or found.folder / "report.html"
    title = f"{found.features.pieces[0].net}'s features on {Path(found.dataset.where).name}"
    sections = [
        _head(found, title),
        _results(found),
        section("What was done", _done(found)),
        *_answers(found),
        *_precisions(found),
        section("Map of the descriptors", _map(found)),
    ]
    return write_html(path, title, sections)


def _answers(found: Transferred) -> list[str]:
    """What is said of classes and single pictures."""
    model = found.model
    network = model.members[0].network if isinstance(model, Stack) else model
    if model.has_several:
        return sections_of_tags(network, found.tests[-1])
    return sections_of_answers(network, found.tests[-1])


def _precisions(found: Transferred) -> list[str]:
    """Precision and recall of classes, and the pictures that are right by the least.

    Of pictures with several labels all that is said already.
    """
    scores, part = found.tests[-1].scores, found.tests[-1].part
    if found.model.has_several:
        return []
    judged = Judged(
        scores.posteriors, scores.labels, scores.names, scores.classes,
        lambda i: thumbnail(part.source(i)),
    )  # fmt: skip
    return [
        section("Precision and recall", class_table(judged) + curves(judged)),
        section("Right by the least", hardest(judged)),
    ]


def _map(found: Transferred) -> str:
    """The pictures of the part that was tested last, by their descriptors."""
    features = found.features.of(found.tests[-1].scores.part)
    source = sources_of(features)
    each = [classes_in(features.truth, i) for i in range(len(features))]
    labels = np.array([next(iter(own)) if len(own) == 1 else -1 for own in each], np.int64)
    return maps(
        features.descriptors, labels, features.names, features.classes,
        lambda i: thumbnail(source(i), MAPPED),
    )  # fmt: skip


def _results(found: Transferred) -> str:
    if found.model.has_several:
        return section("Average precision", precisions(found.tests, CHOSE) + _beside(found))
    return section("Errors", errors(found.tests, CHOSE) + _beside(found))


def _head(found: Transferred, title: str) -> str:
    last, several = found.tests[-1].scores, found.model.has_several
    train = found.features.of("train")
    figures = [
        *(tags_in_short(found.tests) if several else errors_in_short(found.tests)),
        (percent(found.nearest[last.part]) + " %", "by the nearest class mean"),
        (f"{len(found.dataset.classes):,}", "classes"),
        (f"{len(train):,}", "pictures learnt from"),
        (f"{len(last.names):,}", f"pictures of the {last.part} part"),
        (f"{found.seconds:.0f} s", "in all"),
    ]
    tiles = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in figures)
    return (
        f"<header><p>verydeep</p><h1>{escape(title)}</h1>"
        f"<p>Features of {escape(found.features.title)}, and a linear SVM for each class of "
        f"{escape(found.dataset.where)}; all of it is in {escape(str(found.folder))}.</p></header>"
        f'<div class="figures">{tiles}</div>'
    )


def _beside(found: Transferred) -> str:
    """What the nearest class mean errs on the same pictures."""
    rows = [(role, percent(error)) for role, error in found.nearest.items()]
    what = "mAP" if found.model.has_several else "error"
    return table(("part", f"{what} of the nearest class mean, %"), rows, "numbers") + (
        "<p>The nearest class mean learns nothing but the means of the same descriptors. C was "
        "chosen in folds of the pictures that were learnt from.</p>"
    )


def _done(found: Transferred) -> str:
    """How pictures were described, and how C was chosen."""
    rows = [
        (
            escape(piece.net),
            escape(piece.layer),
            ", ".join(map(str, piece.scales)),
            f"{piece.size:,}",
        )
        for piece in found.features.pieces
    ]
    how = table(("net", "row", "Q", "numbers"), rows, "numbers")
    text = (
        "<p>Each picture was shown whole, with its mirror image. What the row gives was averaged "
        "over space, over both images and over Q, made of length one, and put one network after "
        f"another. Scores are decision values over a temperature of {found.learnt.temperature:.3g},"
        " by which posteriors are as sure as they are right on folds that were not learnt from.</p>"
    )
    choice = found.learnt.choice
    if choice is None:
        return how + text + f"<p>C = {found.learnt.c:g}, as it was given.</p>"
    tried = [(f"{trial.c:g}", f"{trial.figure:.1f}") for trial in choice.trials]
    return (
        how
        + text
        + table(("C", f"{escape(choice.judged_by)} in folds, %"), tried, "numbers")
        + f"<p>C = {choice.c:g} was taken, and learnt with again from all of them.</p>"
    )
