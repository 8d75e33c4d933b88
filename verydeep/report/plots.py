"""Plots as SVG that take their colours from the page they stand on, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, MultipleLocator

from verydeep.evaluation.average_precision import Curve
from verydeep.tasks.task import Figure
from verydeep.training.state import Epoch

_VARIABLES = {
    "#010101": "var(--ink)",
    "#020202": "var(--faint)",
    "#030303": "var(--first)",
    "#040404": "var(--second)",
}
"""Stand-ins that matplotlib draws with, and the page's colours that they become."""

INK, FAINT, FIRST, SECOND = _VARIABLES
POINTS = 200
"""Of a curve, at most."""
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "verydeep",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "lines.linewidth": 2,
}
"""What every plot is drawn with."""


def loss_curves(epochs: Sequence[Epoch], cuts: Iterable[int] = ()) -> str:
    """SVG of the loss on the training and the validation part, epoch by epoch.

    `cuts` are the epochs after which the rate was cut.
    """
    with rc_context(STYLE):
        figure, axes = _axes("loss")
        numbers = [e.epoch for e in epochs]
        axes.plot(numbers, [e.loss for e in epochs], color=SECOND, label="training")
        axes.plot(numbers, [e.validation_loss for e in epochs], color=FIRST, label="validation")
        _finish(axes, epochs, cuts)
        return svg(figure)


def figure_curve(
    epochs: Sequence[Epoch], best: Epoch, watched: Figure, cuts: Iterable[int] = ()
) -> str:
    """SVG of a task's figure on the validation part, with the epoch whose weights were kept."""
    with rc_context(STYLE):
        figure, axes = _axes(watched.heading)
        values = [e.figures[watched.name] for e in epochs]
        axes.plot([e.epoch for e in epochs], values, color=FIRST, label="validation")
        kept = best.figures[watched.name]
        axes.plot(best.epoch, kept, "o", color=FIRST, label=f"kept: epoch {best.epoch}")
        axes.set_ylim(0, 1.08 * max(values) or 1)
        _finish(axes, epochs, cuts)
        return svg(figure)


def precision_curve(curve: Curve) -> str:
    """Small SVG of precision over recall of one class."""
    with rc_context(STYLE):
        figure = Canvas(figsize=(2.6, 2.0), layout="constrained")
        axes = figure.add_subplot()
        recall, precision = curve.recall, curve.precision
        rising = np.flatnonzero(np.diff(recall, prepend=0))  # a point for each picture of the class
        some = rising[np.unique(np.linspace(0, len(rising) - 1, POINTS).round().astype(int))]
        axes.plot([0, *recall[some]], [precision[some[0]], *precision[some]], color=FIRST)
        axes.set(xlim=(0, 102), ylim=(0, 102), xlabel="recall, %", ylabel="precision, %")
        return svg(figure)


def overlap_histogram(counts: Sequence[int], right: float) -> str:
    """SVG of how many boxes overlap their object by each tenth; those above `right` are right."""
    with rc_context(STYLE):
        figure, axes = _axes("pictures")
        edges = np.arange(len(counts)) / len(counts)
        colours = [FIRST if edge >= right else SECOND for edge in edges]
        axes.bar(edges, counts, 0.9 / len(counts), align="edge", color=colours)
        axes.axvline(right, color=INK, linestyle=":", linewidth=1.5)
        axes.set(xlim=(0, 1), xlabel="overlap (IoU) of the box of the true class")
        axes.xaxis.set_major_locator(MultipleLocator(0.1))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="x")
        return svg(figure)


def _axes(label: str) -> tuple[Canvas, Axes]:
    figure = Canvas(figsize=(5.4, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_ylabel(label)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, axes


def _finish(axes: Axes, epochs: Sequence[Epoch], cuts: Iterable[int]) -> None:
    """Marks where the rate was cut, and names the lines."""
    for epoch in cuts:
        axes.axvline(epoch + 0.5, color=FAINT, linestyle=":", linewidth=1.5)
    if len(epochs) == 1:
        for line in axes.lines:
            line.set_marker("o")
        axes.set_xlim(epochs[0].epoch - 0.5, epochs[0].epoch + 0.5)
        axes.set_xticks([epochs[0].epoch])
    axes.legend(frameon=False)


def svg(figure: Canvas) -> str:
    """The figure as an SVG element that fits its column, in the page's colours."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) (?:height="[^"]*")', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) (?:width="[^"]*")', r"\1", text, count=1)
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, variable)
    return text
