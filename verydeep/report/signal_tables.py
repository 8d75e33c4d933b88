"""The same as tables in Markdown: the lecture's figures, and signals layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from verydeep.report.signals import HEADINGS
from verydeep.studies.deep_stack import Reruns
from verydeep.studies.initialisation import Initialisation
from verydeep.studies.signals import LayerSignals, Signals


def markdown(found: Initialisation) -> str:
    """All tables, each under a heading: the lecture's, then those of each net."""
    parts = [f"### The lecture's stack\n\n{_lecture(found.lecture)}"]
    for net in found.nets:
        parts += [f"### {net}: {what}\n\n{text}" for what, text in _of_net(found.of(net))]
    return "\n\n".join(parts) + "\n"


def _lecture(lecture: Sequence[Reruns]) -> str:
    """Printed figures beside the mean and the deviation of draws."""
    head = "weights", "of values", "layer", "printed", f"{len(lecture[0].draws)} draws", "within"
    rows = [
        (
            each.case.name, v.printed.quantity, str(v.printed.layer), f"{v.printed.value:.6f}",
            f"{v.mean:.5g} ± {v.spread:.1g}", "yes" if v.holds else "no",
        )
        for each in lecture
        for v in each.verdicts
    ]  # fmt: skip
    return _table(head, rows)


def _of_net(found: Sequence[Signals]) -> Iterator[tuple[str, str]]:
    """What is told of a net, and its table: a row for each layer, a column for each beginning."""
    for quantity, heading in HEADINGS.items():
        yield heading, _by_layer(found, [[_figure(getattr(layer, quantity)) for layer in s.layers]
                                         for s in found])  # fmt: skip
    zeros = [[f"{layer.zeros:.0%}" for layer in s.layers] for s in found]
    yield "zeros among values", _by_layer(found, zeros)
    gains = [[_gain(layer) for layer in s.layers] for s in found]
    yield "gain, measured (predicted)", _by_layer(found, gains)


def _by_layer(found: Sequence[Signals], columns: Sequence[Sequence[str]]) -> str:
    names = [layer.layer for layer in found[0].layers]
    return _table(("layer", *(s.initial for s in found)), zip(names, *columns, strict=True))


def _figure(value: float) -> str:
    return f"{value:.2g}"


def _gain(layer: LayerSignals) -> str:
    """A norm makes one size of all sizes: of what is before it nothing is predicted."""
    predicted = "" if layer.predicted is None else f" ({layer.predicted:.2g})"
    return f"{layer.gain:.2g}{predicted}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown: the first column flush left, the others flush right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
