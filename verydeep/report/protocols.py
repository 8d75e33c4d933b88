"""The page of a comparison: the table of protocols, paired tests, and where two disagree."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from html import escape
from pathlib import Path

import numpy as np

from verydeep.datasets import Dataset, Part, open_dataset
from verydeep.errors import PictureError, UserError
from verydeep.evaluation.comparison import Comparison, MapComparison, points
from verydeep.evaluation.metrics import Bin, calibration
from verydeep.evaluation.scores import Scores
from verydeep.localisation.boxes_file import Localised
from verydeep.parts.dataset import joined
from verydeep.parts.fingerprints import of_pictures
from verydeep.pictures.reading import read_picture
from verydeep.report.html import card, section, table, write_html
from verydeep.report.thumbnails import data_uri
from verydeep.verbs.compare import Compared, as_data

SHOWN = 12
"""Pictures shown of each pair of tests."""
TOGETHER = 3
"""Bins of confidence that stand in one column."""


def write_protocols_page(found: Compared, path: Path, data: str | None = None) -> Path:
    """Writes the page; with `data`, pictures on which dense and crops disagree are shown.

    Raises UserError where the data is not what was tested, or the page cannot be written.
    """
    names = found.names
    if found.scores[0].has_several:
        raise UserError(
            "these tests are of several labels a picture, and a page is written of tests with one; "
            "leave --page out"
        )
    sections = [
        f"<header><p>verydeep</p><h1>{len(names)} tests of the same "
        f"{len(found.scores[0].labels):,} pictures</h1></header>",
        section("Errors", _errors(found.scores, names)),
        section("Which is better", verdicts(found.comparisons)),
        section("How far to trust a posterior", _calibration(found.scores, names)),
    ]
    if data is not None and len(names) > 1:
        sections.append(section("Where they disagree", _disagreements(found.scores, names, data)))
    return write_html(path, "Tests compared", sections)


def _errors(scores: Sequence[Scores], names: Sequence[str]) -> str:
    rows = []
    for name, one in zip(names, scores, strict=True):
        about = as_data([one])
        low, high = about["interval"]
        paper = about["paper"]
        rows.append(
            (
                escape(name),
                f"{about['top1']:.1f}",
                f"{low:.1f} to {high:.1f}",
                "-" if about["classes"] <= 5 else f"{about['top5']:.1f}",
                f"{paper['top1']:.1f} / {paper['top5']:.1f}" if paper else "-",
            )
        )
    head = ("test", "top-1 error, %", "95 % interval", "top-5 error, %", "paper")
    return table(head, rows, "numbers") + ("<p>The interval is Wilson's (1927).</p>")


def verdicts(comparisons: Sequence[Comparison | MapComparison]) -> str:
    """Each of the others held against the best; nothing of one test alone."""
    if not comparisons:
        return ""
    rows = []
    for c in comparisons:
        assert isinstance(c, Comparison)
        low, high = (points(-end) for end in reversed(c.interval))
        rows.append(
            (
                escape(c.name_b),
                points(-c.difference),
                f"{low} to {high}",
                f"{c.only_b:,} / {c.only_a:,}",
                "&lt;&nbsp;0.001" if c.p < 0.001 else f"{c.p:.3f}",
                "yes" if c.told_apart else "cannot be told",
            )
        )
    head = ("test", "worse by, points", "95 % interval", "missed by it / the best alone", "p",
            "worse?")  # fmt: skip
    best = escape(comparisons[0].name_a)
    return (
        f"<p>Best: <b>{best}</b>.</p>"
        + table(head, rows, "numbers")
        + (
            "<p>p is McNemar's, of the pictures that one of the two alone has missed: how often "
            "chance alone would part two equal tests as far. Of three tests or more, p and the "
            "interval are corrected for all their pairs, because the best is chosen from the same "
            "pictures.</p>"
        )
    )


def _calibration(scores: Sequence[Scores], names: Sequence[str]) -> str:
    found = [calibration(s.posteriors, s.labels) for s in scores]
    rows = [
        (escape(name), f"{c.error:.1f}", *_right(c.bins))
        for name, c in zip(names, found, strict=True)
    ]
    width = 100 * TOGETHER / len(found[0].bins)
    ends = [f"{i * width:.0f}-{(i + 1) * width:.0f} %" for i in range(len(_right(found[0].bins)))]
    return table(("test", "calibration error, %", *ends), rows, "numbers") + (
        "<p>Of the pictures whose first answer has a posterior within these bounds, the share in % "
        "that it was right of, and their number. The calibration error is the mean distance of the "
        f"two in {len(found[0].bins)} narrower bounds (Guo et al., 2017).</p>"
    )


def _right(bins: Sequence[Bin | None]) -> list[str]:
    """What share was right in some bins after another, together, and of how many pictures."""
    cells = []
    for start in range(0, len(bins), TOGETHER):
        some = [found for found in bins[start : start + TOGETHER] if found is not None]
        count = sum(found.count for found in some)
        right = sum(found.accuracy * found.count for found in some)
        cells.append(f"{right / count:.0f} ({count:,})" if count else "-")
    return cells


def _disagreements(scores: Sequence[Scores], names: Sequence[str], data: str) -> str:
    """Pictures that the first test has right and the second wrong, and the other way round."""
    (first, second), names = _pair(scores, names)
    own = [s.posteriors[np.arange(len(s.labels)), s.labels] for s in (first, second)]
    right = [s.posteriors.argmax(1) == s.labels for s in (first, second)]
    part = part_of(first, data)
    blocks = []
    for here, there in ((0, 1), (1, 0)):
        which = np.flatnonzero(right[here] & ~right[there])
        surest = which[np.argsort(-(own[here] - own[there])[which], kind="stable")][:SHOWN]
        cards = []
        for i in surest.tolist():
            taken = (first, second)[there].posteriors[i].argmax()
            is_, for_ = (escape(first.classes[k]) for k in (first.labels[i], taken))
            caption = f"<b>{is_}</b> {own[here][i]:.0%}<br>taken for {for_}"
            with suppress(PictureError):  # that cannot be read any more
                image = read_picture(part.source(i))
                cards.append(card(data_uri(image), caption, first.names[i]))
        blocks.append(
            f"<p>Right: {escape(names[here])}; wrong: {escape(names[there])} ({len(which):,} "
            f'pictures).</p><div class="cards">{"".join(cards)}</div>'
        )
    return "".join(blocks)


def _pair(
    scores: Sequence[Scores], names: Sequence[str]
) -> tuple[tuple[Scores, Scores], tuple[str, str]]:
    """Two tests of one network, densely and by crops, where there are such; else the first two."""
    of = {s.protocol.name: i for i, s in enumerate(scores) if s.weights == scores[0].weights}
    i, k = (of["dense"], of["crops"]) if {"dense", "crops"} <= of.keys() else (0, 1)
    return (scores[i], scores[k]), (names[i], names[k])


def part_of(test: Scores | Localised, data: str) -> Part:
    """The pictures of a test in its order. Raises UserError where the data is not what was tested.

    What is marked in them is not looked at: a test of boxes has its true ones itself.
    """
    dataset = open_dataset(data, test.split)
    tested = of_pictures(test.data)
    if of_pictures(dataset.fingerprint) != tested:
        raise UserError(
            f"{data} is not what was tested: its fingerprint is {dataset.fingerprint}, that of the "
            f"test {tested}; give --data of the same pictures"
        )
    part = _wherever(dataset, test)
    places = {name: i for i, name in enumerate(part.names)}
    return part.only([places[name] for name in test.names])


def _wherever(dataset: Dataset, test: Scores | Localised) -> Part:
    """The part that the pictures of a test are in, or all that they may have been drawn from.

    That of another name, where a test part had to choose the weights.
    """
    name, drawn = test.part, ("train", *dataset.made)
    roles = [role for role in dataset.parts if role in (drawn if name in drawn else (name,))]
    if roles:
        part = joined([dataset.parts[role] for role in roles])
        if set(part.names).issuperset(test.names):
            return part
    return dataset.everything
