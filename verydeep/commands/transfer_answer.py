"""What `verydeep transfer` prints: of a network that it made, or of a protocol with the paper's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Any

from verydeep.commands.compare import cells
from verydeep.descriptors.protocols import DrawsTested, Ranked, Spread
from verydeep.evaluation.average_precision import AveragePrecisions
from verydeep.evaluation.chance import blind
from verydeep.evaluation.published_transfer import OfMethod, OnOther
from verydeep.report.tables import percent, text_table
from verydeep.report.transferred import write_page
from verydeep.shell import command
from verydeep.verbs.compare import as_data
from verydeep.verbs.transfer import Transferred
from verydeep.verbs.transfer_work import Outcome

NAMES = {"voc2007": "AP, 11 points", "area": "AP, area"}
"""How the definitions of average precision are printed."""


def answer(found: Transferred | Outcome, json: bool) -> str:
    """Writes the page of a network that was made; what is printed of it, or of a protocol."""
    if isinstance(found, Outcome):
        return outcome_as_json(found) if json else outcome_in_words(found)
    page = write_page(found)
    return as_json(found, page) if json else in_words(found, page)


def outcome_in_words(found: Outcome) -> str:
    """What a protocol came to, for the terminal."""
    table = _draws(found.draws) if found.draws else _rankings(found)
    lines = [text_table(table), "", f"described by {found.title}", *found.said, *_cs(found)]
    if found.left_out:
        lines.append(f"left out, unreadable: {len(found.left_out):,}")
    if found.files:
        lines.append(f"results: {len(found.files)} files, the first {found.files[0]}")
    return "\n".join([*lines, *_beside(found)])


def outcome_as_json(found: Outcome) -> str:
    """The same as JSON, with every class, draw and C that was tried."""
    paper = found.paper
    return dumps(
        {
            "protocol": found.protocol,
            "data": found.where,
            "classes": list(found.classes),
            "pieces": [asdict(piece) for piece in found.pieces],
            "engine": found.engine,
            "part": found.part or None,
            "draws": [_draws_as_data(draws) for draws in found.draws],
            "rankings": [_ranked_as_data(ranked, found.classes) for ranked in found.rankings],
            "paper": paper and {
                "table": paper.table, "data": paper.data, "figure": paper.figure,
                "differs": list(found.differs), "rows": [asdict(row) for row in paper.rows],
            },
            "said": list(found.said),
            "left_out": list(found.left_out),
            "files": [str(path) for path in found.files],
            "seconds": found.seconds,
        },
        indent=1,
    )  # fmt: skip


def _draws(found: tuple[DrawsTested, ...]) -> list[list[str]]:
    """A row for each number of pictures to learn from."""
    rows = [
        ["a class", "to test", "draws", "mean class recall %", "top-1 error %", "nearest mean %"]
    ]
    for one in found:
        test = "the rest" if one.test is None else f"{one.test:,}"
        figures = [_spread(figure) for figure in (one.recall, one.top1, one.nearest)]
        rows.append([f"{one.train:,}", test, f"{len(one.draws):,}", *figures])
    return rows


def _spread(found: Spread) -> str:
    deviation = "" if found.deviation is None else f" +- {found.deviation:.1f}"
    return f"{found.mean:.1f}{deviation}"


def _rankings(found: Outcome) -> list[list[str]]:
    """A row for each class, and the mean; a column for each kind of descriptor and definition."""
    several = len(found.rankings) > 1
    columns = [
        (f"{ranked.of}: " * several + NAMES[own.definition], own, beside)
        for ranked in found.rankings
        for own, beside in zip(ranked.precisions, ranked.nearest, strict=True)
        if found.protocol != "action" or own.definition == "area"
    ]
    classes = [
        [name, *(percent(own.classes[k]) for _, own, _ in columns)]
        for k, name in enumerate(found.classes)
    ]
    return [
        ["%", *(head for head, _, _ in columns)],
        *classes,
        ["mean", *(percent(own.mean) for _, own, _ in columns)],
        ["mean by nearest class means", *(percent(beside.mean) for *_, beside in columns)],
    ]


def _cs(found: Outcome) -> Iterator[str]:
    """How draws came about, and the C that were taken."""
    for one in found.draws:
        taken = ", ".join(f"{draw.c:.3g}" for draw in one.draws)
        chosen = all(draw.choice for draw in one.draws)
        why = "chosen on 20 % of the pictures to learn from" if chosen else "not chosen"
        yield f"{one.how}; C = {taken}, {why}"
    of = " ({})" if len(found.rankings) > 1 else ""
    if found.rankings:
        yield "C = " + ", ".join(f"{one.c:.3g}{of.format(one.of)}" for one in found.rankings)


def _beside(found: Outcome) -> Iterator[str]:
    """The paper's table with ours, or in what the two are not the same test."""
    paper = found.paper
    if paper is None:
        return
    yield ""
    if found.differs:
        yield f"not the test of the paper's {paper.table}, {paper.data}: {'; '.join(found.differs)}"
        return
    rows = [[f"{paper.table}, {paper.data}", f"{paper.figure} %"]]
    rows += [[_method(row), str(row)] for row in paper.rows]
    rows += [[f"ours, {of}", figure] for of, figure in _ours(found, paper)]
    yield text_table(rows)


def _method(row: OfMethod) -> str:
    return f"{row.method} ({row.note})" if row.note else row.method


def _ours(found: Outcome, paper: OnOther) -> Iterator[tuple[str, str]]:
    for one in found.draws:
        if paper.draws and one.train == paper.draws[0]:
            yield found.title, _spread(one.recall)
    for ranked in found.rankings:
        own = _official(ranked, found.protocol)
        of = found.title if len(found.rankings) == 1 else ranked.of
        yield f"{of} ({NAMES[own.definition]})", percent(own.mean)


def _official(ranked: Ranked, protocol: str) -> AveragePrecisions:
    """The average precisions of the definition that the competition goes by."""
    wanted = "voc2007" if protocol == "voc2007" else "area"
    return next(own for own in ranked.precisions if own.definition == wanted)


def _draws_as_data(found: DrawsTested) -> dict[str, Any]:
    figures = {name: asdict(getattr(found, name)) for name in ("recall", "top1", "nearest")}
    return {**asdict(found), "figures": figures}


def _ranked_as_data(found: Ranked, classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "of": found.of,
        "c": found.c,
        "choice": asdict(found.choice) if found.choice else None,
        "average_precision": {
            own.definition: {
                "mean": own.mean,
                "nearest_mean": beside.mean,
                "classes": dict(zip(classes, own.classes, strict=True)),
            }
            for own, beside in zip(found.precisions, found.nearest, strict=True)
        },
    }


def in_words(found: Transferred, page: Path) -> str:
    """What a transfer came to, for the terminal."""
    several = found.model.has_several
    what = "mAP %" if several else "top-1 error %"
    rows = [["part", "pictures", what, "95 % interval", "nearest class mean %"]]
    for tested in found.tests:
        scores = tested.scores
        figure, interval, *_ = cells(as_data([scores]))
        beside = percent(found.nearest[scores.part])
        rows.append([scores.part, f"{len(scores.names):,}", figure, interval, beside])
    last = found.tests[-1].scores
    return "\n".join(
        [
            text_table(rows),
            *([] if several else [str(blind(last.labels, last.classes))]),
            f"C = {found.learnt.c:g}, chosen in folds of train; no part above chose anything",
            "",
            f"weights  {found.weights}",
            f"page     {page}",
            f"use it   {command('predict', found.folder, 'PICTURE')}",
        ]
    )


def as_json(found: Transferred, page: Path) -> str:
    """The same as JSON, with what each C gave."""
    return dumps(
        {
            "weights": str(found.weights),
            "page": str(page),
            "c": found.learnt.c,
            "choice": asdict(found.learnt.choice) if found.learnt.choice else None,
            "temperature": found.learnt.temperature,
            "pieces": [asdict(piece) for piece in found.features.pieces],
            "tests": [as_data([tested.scores]) for tested in found.tests],
            "nearest_mean": found.nearest,
            "seconds": found.seconds,
        },
        indent=1,
    )
