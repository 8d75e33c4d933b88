"""The page of the nets: what they err, hold and cost, by published figures and our counts."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from verydeep.evaluation.published_nets import (
    PRINTED,
    PRINTED_ACCURACIES,
    PRINTED_OF_SMALL,
    PrintedError,
    best_of,
    in_print,
)
from verydeep.nets import named
from verydeep.nets.cost import Cost, cost
from verydeep.report.html import section, table, write_html
from verydeep.report.net_plots import Compared, error_over_cost, three_bars
from verydeep.report.tables import short

DRAWN = (
    "AlexNet", "ZFNet-a", "ZFNet-b", "OverFeat-fast", "OverFeat-accurate", "A", "B", "C", "D", "E",
    "GoogLeNet", "ResNet-34", "ResNet-50", "ResNet-101", "ResNet-152",
)  # fmt: skip
"""Nets of the plots, as they came one after another."""
TOLD = ("net", "of", "how", "told right, %", "parameters", "multiply-adds", "source")
HEAD = ("net", "shown", "top-1, %", "top-5, %", "parameters", "multiply-adds", "source")


def write_nets_page(path: Path) -> Path:
    """Writes the page, and gives its path; UserError where it cannot be written."""
    drawn = [_compared(name) for name in DRAWN]
    sections = [
        "<header><p>verydeep</p><h1>VGG and the nets beside it</h1></header>",
        section(
            "Error and cost",
            error_over_cost(drawn)
            + "<p>The lowest top-5 error on ILSVRC-2012's validation set that was printed of one "
            "net by itself. Papers show pictures in different ways, which the table below says: a "
            "difference of a point may be one of crops. A disc has the area of the parameters; "
            "multiply-adds are those of one crop.</p>",
        ),
        section("Side by side", three_bars(drawn)),
        section("What was printed", table(HEAD, _rows(PRINTED), "numbers")),
        section("Of small pictures", table(HEAD, _rows(PRINTED_OF_SMALL), "numbers")),
        section("Of faces and games, by accuracy", table(TOLD, _told(), "numbers")),
    ]
    return write_html(path, "VGG and the nets beside it", sections)


def _compared(name: str) -> Compared:
    best, price = best_of(name), _cost(name)
    assert best is not None
    assert best.top5 is not None
    vgg = named.is_of_table_1(name)
    return Compared(
        f"VGG-{name}" if vgg else name, best.top5, price.parameters, price.multiply_adds, vgg
    )


def _cost(name: str) -> Cost:
    return cost(named.table(name))


def _rows(printed: Iterable[PrintedError]) -> Iterable[tuple[str, ...]]:
    for row in printed:
        price = _cost(row.net)
        errors = map(in_print, (row.top1, row.top5))
        yield (escape(row.net), escape(row.shown), *errors, *_counts(price), escape(row.source))


def _told() -> Iterable[tuple[str, ...]]:
    for row in PRINTED_ACCURACIES:
        words = escape(row.net), escape(row.told), escape(row.shown), in_print(row.accuracy)
        yield (*words, *_counts(_cost(row.net)), escape(row.source))


def _counts(price: Cost) -> tuple[str, str]:
    return short(price.parameters), short(price.multiply_adds)
