"""The page of similar pictures: each that was asked for, and beside it those most like it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from verydeep.descriptors.features import Features
from verydeep.descriptors.sources import SourceOf, sources_of
from verydeep.pictures.reading import Source
from verydeep.report.html import card, section, write_html
from verydeep.report.thumbnails import thumbnail
from verydeep.verbs.similar import Neighbour, Query, classes_of

Answers = Sequence[tuple[Query, Sequence[Neighbour]]]


def write_neighbours(features: Features, answers: Answers, path: Path) -> Path:
    """Writes a page of pictures with their neighbours, and gives its path.

    Pictures that are not where they were when they were described have a card without one.
    """
    source = sources_of(features)
    where = f" of {escape(features.where)}" if features.where else ""
    head = (
        f"<header><p>verydeep</p><h1>Similar pictures</h1><p>Of {len(features):,} pictures{where}, "
        f"those most like each by the cosine of {features.descriptors.shape[1]:,} numbers: "
        f"{escape(features.title)}.</p></header>"
    )
    rows = [section(escape(query.name), _row(features, source, query, found))
            for query, found in answers]  # fmt: skip
    return write_html(path, "Similar pictures", [head, *rows])


def _row(features: Features, source: SourceOf, query: Query, found: Sequence[Neighbour]) -> str:
    """A picture, and those that are like it."""
    own, said = query.source, "asked for"
    if query.place is not None:
        own = source(query.place) if own is None else own
        said = ", ".join(classes_of(features, query.place)) or said
    first = card(thumbnail(own), f"<b>{escape(said)}</b>", query.name)
    others = "".join(_card(source(one.place), one) for one in found)
    cards = "".join(f'<div class="cards">{shown}</div>' for shown in (first, others))
    return f'<div class="beside">{cards}</div>'


def _card(source: Source | None, one: Neighbour) -> str:
    said = ", ".join(one.classes) or one.name
    return card(thumbnail(source), f"<b>{one.cosine:.3f}</b> {escape(said)}", one.name)
