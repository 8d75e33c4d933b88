"""Signals by layer on a page: values and gradients by initialisation, and the lecture's stack."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator

from verydeep.report.html import section
from verydeep.report.plots import INK, STYLE, svg
from verydeep.studies.deep_stack import Reruns
from verydeep.studies.initialisation import Initialisation
from verydeep.studies.signals import Signals

Quantity = Literal["std", "gradient", "weight_gradient"]
"""What is drawn of each layer, by the names of `LayerSignals`."""
HEADINGS: dict[Quantity, str] = {
    "std": "deviation of values",
    "gradient": "deviation of gradients by values",
    "weight_gradient": "deviation of gradients by weights / of weights",
}
_CAPTIONS: dict[Quantity, str] = {
    "std": "Deviation of the values behind each weight layer and its ReLU.",
    "gradient": "Deviation of the gradient of each picture's loss by those values.",
    "weight_gradient": "Deviation of the gradient of the mean loss by a layer's weights, over the "
    "deviation of the weights themselves.",
}
Limits = tuple[float, float]

_COLOURS = (
    "#3a86c8", "#d9772b", "#3f9b5a", "#cf4d4d", "#8d6cc4", "#96694f", "#d066a6", "#1fa3b0",
)  # fmt: skip
"""Some of the page's colours of classes, which are for light and for dark."""
_MARKS = "o", "s", "^", "D", "P", "v", "X", "*"
_DASHES = "-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))
_AT_EDGES = {"0": (0, "v", "zero"), "inf": (1, "^", "infinite"), "nan": (1, "x", "no number")}
"""What a log axis has no place for: at which end it is marked, how, and what it is called."""
_BLOCK = re.compile(r"conv(\d+)_1|(fc)6")
"""Layers that begin a block of the paper's nets."""
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def sections_of_initialisation(found: Initialisation) -> list[str]:
    """Sections of a page: the lecture's stack, then values and gradients of each net."""
    return [
        section("The lecture's deep stack", lecture_plots(found.lecture)),
        section("Signals on their way up", signal_plots(found, "std") + _not_finite(found)),
        section("Gradients on their way down", signal_plots(found, "gradient")),
        section("Gradients of the weights", signal_plots(found, "weight_gradient")),
    ]


def lecture_plots(lecture: Sequence[Reruns]) -> str:
    """HTML of the lecture's cases: the deviation of values by layer, what was printed as rings."""
    cases = [[r.over_draws("std", layer + 1)[0] for layer in range(len(r.draws[0].stds))]
             for r in lecture]  # fmt: skip
    with rc_context(STYLE):
        figure, axes = _axes("tanh and ReLU, 10 layers of 500", _limits(cases))
        for i, values in enumerate(cases):
            _draw(axes, i, values)
            for printed in lecture[i].case.printed:
                if printed.quantity == "std":
                    _mark(axes, printed.layer, printed.value, "o", INK, markersize=9)
        axes.set_xlabel("layer")
        axes.xaxis.set_major_locator(MultipleLocator(1))
        there = [*cases, [p.value for r in lecture for p in r.case.printed]]
        plots = [_legend([r.case.name for r in lecture], there, rings=True), svg(figure)]
    verdicts = [verdict for each in lecture for verdict in each.verdicts]
    held, count = sum(v.holds for v in verdicts), len(lecture[0].draws)
    return _grid(plots) + (
        f"<p>Deviation of the values behind each layer, the mean of {count} draws. Of the figures "
        f"that the lecture printed of one draw of its own, {held} of {len(verdicts)} are within "
        f"the spread of ours.</p>"
    )


def signal_plots(found: Initialisation, quantity: Quantity) -> str:
    """HTML of small plots on one scale, one for each net, with a line for each initialisation."""
    values = [_values(each, quantity) for each in found.signals]
    initials = [*dict.fromkeys(each.initial for each in found.signals)]
    limits = _limits(values)
    with rc_context(STYLE):
        plots = [_legend(initials, values)]
        plots += [_plot(found.of(net), initials, quantity, limits) for net in found.nets]
    return _grid(plots) + f"<p>{_CAPTIONS[quantity]} All plots have one scale.</p>"


def _plot(
    found: Sequence[Signals], initials: Sequence[str], quantity: Quantity, limits: Limits
) -> str:
    """SVG of one net."""
    figure, axes = _axes(found[0].net, limits)
    for each in found:
        _draw(axes, initials.index(each.initial), _values(each, quantity))
    blocks = {
        place: match[1] or match[2]
        for place, layer in enumerate(found[0].layers, 1)
        if (match := _BLOCK.fullmatch(layer.layer))
    }
    axes.set_xticks([*blocks], [*blocks.values()])
    axes.set_xlabel("weight layers, by the blocks they begin")
    return svg(figure)


def _axes(title: str, limits: Limits) -> tuple[Canvas, Axes]:
    figure = Canvas(figsize=(4.6, 3.0), layout="constrained")
    axes = figure.add_subplot(yscale="log", ylim=limits)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(_power))
    axes.minorticks_off()
    return figure, axes


def _power(value: float, _: object = None) -> str:
    """A power of ten, as it is written."""
    exponent = round(math.log10(value))
    return "1" if exponent == 0 else f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def _limits(lines: Iterable[Sequence[float]]) -> Limits:
    """Whole powers of ten around all that a log axis has a place for."""
    there = [math.log10(v) for values in lines for v in values if _at_edge(v) is None]
    if not there:
        return 0.1, 10.0
    return 10.0 ** (math.floor(min(there)) - 0.5), 10.0 ** (math.ceil(max(there)) + 0.5)


def _at_edge(value: float) -> str | None:
    """What a value is that has no place on a log axis."""
    if math.isnan(value):
        return "nan"
    return "0" if value <= 0 else "inf" if math.isinf(value) else None


def _draw(axes: Axes, i: int, values: Sequence[float]) -> None:
    """Line `i` through the values of layers 1, 2 and so on; what has no place is at the edge."""
    drawn = [math.nan if _at_edge(value) else value for value in values]
    axes.plot(range(1, len(values) + 1), drawn, **_look(i))
    for layer, value in enumerate(values, 1):
        if _at_edge(value):
            _mark(axes, layer, value, "", _look(i)["color"], markersize=7)


def _mark(axes: Axes, layer: int, value: float, mark: str, colour: str, markersize: float) -> None:
    """A hollow mark for one value; one without a place on the axis has its own at the edge."""
    edge, transform = _at_edge(value), axes.transData
    if edge:
        value, mark, _ = _AT_EDGES[edge]
        transform = axes.get_xaxis_transform()
    axes.plot(
        layer, value, mark, color=colour, markersize=markersize, markerfacecolor="none",
        transform=transform, clip_on=False, zorder=3,
    )  # fmt: skip


def _look(i: int) -> dict[str, Any]:
    """Line `i`: its colour, and marks and dashes for who cannot tell colours apart."""
    return {
        "color": _COLOURS[i % len(_COLOURS)],
        "marker": _MARKS[i % len(_MARKS)],
        "linestyle": _DASHES[i % len(_DASHES)],
        "markersize": 4,
        "linewidth": 1.6,
    }


def _legend(names: Sequence[str], lines: Iterable[Sequence[float]], rings: bool = False) -> str:
    """SVG that names the lines, and the marks at the edges where there are any."""
    shown = [Line2D([], [], label=name, **_look(i)) for i, name in enumerate(names)]
    hollow: dict[str, Any] = {"linestyle": "none", "color": INK, "markerfacecolor": "none"}
    if rings:
        shown.append(Line2D([], [], marker="o", markersize=9, label="printed", **hollow))
    edges = {_at_edge(value) for values in lines for value in values}
    for edge, (_, mark, called) in _AT_EDGES.items():
        if edge in edges:
            label = f"{called}, beyond the scale"
            shown.append(Line2D([], [], marker=mark, markersize=7, label=label, **hollow))
    figure = Canvas(figsize=(4.6, 0.2 + 0.27 * len(shown)), layout="constrained")
    figure.legend(handles=shown, loc="center left", frameon=False, fontsize=11, handlelength=4)
    return svg(figure)


def _values(found: Signals, quantity: Quantity) -> list[float]:
    return [float(getattr(layer, quantity)) for layer in found.layers]


def _grid(plots: Iterable[str]) -> str:
    return f'<div class="plots">{"".join(f"<figure>{plot}</figure>" for plot in plots)}</div>'


def _not_finite(found: Initialisation) -> str:
    """Names the nets that have values or gradients which are no finite numbers; or nothing."""
    told = [
        f"{escape(each.net)} from {escape(each.initial)} in {len(each.not_finite)} of "
        f"{len(each.layers)} layers, the first being {each.not_finite[0]}"
        for each in found.signals
        if each.not_finite
    ]
    return (
        f"<p>Values or gradients that are no finite numbers: {'; '.join(told)}.</p>" if told else ""
    )
