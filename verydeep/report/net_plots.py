"""Nets side by side as SVG: error over multiply-adds, and error, parameters, multiply-adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import ScalarFormatter

from verydeep.report.plots import FAINT, FIRST, INK, SECOND, STYLE, svg

AREA = 4.0
"""Square points of a disc for each million of parameters."""
BELOW = ("ZFNet-b", "VGG-C", "VGG-D", "ResNet-34", "ResNet-101")
"""Nets whose names stand on the other side, where another's would lie over them."""


@dataclass(frozen=True)
class Compared:
    """A net in the comparison: top-5 error in %, parameters and multiply-adds."""

    name: str
    top5: float
    parameters: int
    multiply_adds: int
    is_vgg: bool

    @property
    def colour(self) -> str:
        """VGG's nets are of another."""
        return FIRST if self.is_vgg else SECOND


def error_over_cost(nets: Sequence[Compared]) -> str:
    """SVG of top-5 errors over multiply-adds; discs have the area of the parameters."""
    with rc_context(STYLE):
        figure = Canvas(figsize=(7.4, 4.6), layout="constrained")
        axes = figure.add_subplot()
        for net in nets:
            x, y = net.multiply_adds / 1e9, net.top5
            axes.scatter(x, y, AREA * net.parameters / 1e6, color=net.colour, alpha=0.35, lw=0)
            axes.plot(x, y, ".", color=net.colour, markersize=5)
            below = net.name in BELOW
            axes.annotate(net.name, (x, y), (-4, -13) if below else (4, 4), fontsize=9,
                          ha="right" if below else "left", textcoords="offset points")  # fmt: skip
        axes.set_xscale("log")
        axes.set(xlim=(0.5, 40), ylim=(0, 20))
        axes.set_xticks([0.5, 1, 2, 4, 8, 16, 32])
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.minorticks_off()
        axes.set(xlabel="multiply-adds of a crop, G", ylabel="top-5 error, %")
        return svg(figure)


def three_bars(nets: Sequence[Compared]) -> str:
    """SVG of three columns of bars, a line for each net: error, parameters, multiply-adds."""
    columns = (
        ("top-5 error, %", [net.top5 for net in nets]),
        ("parameters, M", [net.parameters / 1e6 for net in nets]),
        ("multiply-adds, G", [net.multiply_adds / 1e9 for net in nets]),
    )
    with rc_context(STYLE):
        figure = Canvas(figsize=(7.4, 0.6 + 0.26 * len(nets)), layout="constrained")
        every = figure.subplots(1, 3, sharey=True)
        for axes, (title, values) in zip(every, columns, strict=True):
            places = range(len(nets))
            axes.barh(places, values, 0.7, color=[net.colour for net in nets])
            for place, value in zip(places, values, strict=True):
                axes.annotate(f"{value:.3g}", (value, place), (3, 0), va="center", fontsize=8,
                              textcoords="offset points", color=INK)  # fmt: skip
            axes.set_title(title, fontsize=10, color=INK)
            axes.set_xlim(0, 1.2 * max(values))
            axes.set_yticks(places, [net.name for net in nets])
            axes.tick_params(bottom=False, labelbottom=False, left=False)
            axes.grid(visible=False)
            axes.spines["bottom"].set_visible(False)
            axes.spines["left"].set_color(FAINT)
        every[0].invert_yaxis()
        return svg(figure)
