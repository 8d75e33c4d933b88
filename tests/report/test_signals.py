"""What a page and its tables say of signals, of figures that are put in by hand."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from verydeep.report.signal_tables import markdown
from verydeep.report.signals import lecture_plots, sections_of_initialisation, signal_plots
from verydeep.studies.deep_stack import CASES, Draw, Reruns
from verydeep.studies.initialisation import Initialisation
from verydeep.studies.signals import LayerSignals, Signals

NAMES = ("conv1_1", "conv2_1", "conv2_2", "fc6", "fc7", "fc8")


def signals_of(net: str, initial: str, *stds: float) -> Signals:
    layers = tuple(
        LayerSignals(
            name, mean=0.0, std=std, zeros=0.5, gradient=1.0, weight_gradient=2.0, gain=0.25,
            predicted=None if name == "fc8" else 0.24,
        )
        for name, std in zip(NAMES, stds, strict=True)
    )  # fmt: skip
    return Signals(net, initial, 1.0, layers)


def draw(scale: float) -> Draw:
    """Deviations that are halved by each layer."""
    stds = tuple(scale * 2.0**-n for n in range(10))
    return Draw(means=(0.0,) * 10, stds=stds)


FADING = signals_of("D", "gaussian:0.01", 1.0, 1e-3, 1e-6, 1e-9, 0.0, 0.0)
GROWING = signals_of("D", "gaussian:10", 1.0, 1e5, 1e10, 1e20, math.inf, math.nan)
STEADY = signals_of("E", "he", *[1.0] * 6)
FOUND = Initialisation(
    tuple(Reruns(case, (draw(0.62), draw(0.63), draw(0.64))) for case in CASES),
    (FADING, GROWING, STEADY),
)


def plots_in(html: str) -> list[ElementTree.Element]:
    """The plots, the legend first."""
    return [ElementTree.fromstring(each) for each in re.findall("<svg.*?</svg>", html, re.DOTALL)]


def texts(plot: ElementTree.Element) -> list[str]:
    found = ("".join(e.itertext()).strip() for e in plot.iter() if e.tag.endswith("text"))
    return [*filter(None, found)]


def test_each_net_has_a_plot_and_each_initialisation_a_name() -> None:
    legend, *plots = plots_in(signal_plots(FOUND, "std"))
    assert texts(legend)[:3] == ["gaussian:0.01", "gaussian:10", "he"]
    assert [texts(plot)[-1] for plot in plots] == ["D", "E"]
    for plot in plots:
        assert texts(plot)[:3] == ["1", "2", "fc"]


def test_all_plots_of_signals_have_one_scale() -> None:
    """From 1e-9 to 1e20."""
    _, *plots = plots_in(signal_plots(FOUND, "std"))
    scales = [[text for text in texts(plot) if text.startswith("10")] for plot in plots]
    assert scales[0] == scales[1]
    assert len(scales[0]) >= 4
    assert any("⁻" in text for text in scales[0])
    assert "10¹⁵" in scales[0] or "10²⁰" in scales[0] or "10¹⁶" in scales[0]


def test_what_has_no_place_on_the_scale_is_marked_and_named() -> None:
    legend, *_ = plots_in(signal_plots(FOUND, "std"))
    assert texts(legend)[3:] == [
        "zero, beyond the scale", "infinite, beyond the scale", "no number, beyond the scale",
    ]  # fmt: skip
    legend, *_ = plots_in(signal_plots(FOUND, "gradient"))
    assert texts(legend) == ["gaussian:0.01", "gaussian:10", "he"]


@pytest.mark.parametrize(("stds", "marks"), [((1.0,) * 6, 0), ((1.0, 0.0, math.inf, 1, 1, 0.0), 3)])
def test_as_many_marks_are_drawn_as_values_have_no_place(
    stds: tuple[float, ...], marks: int
) -> None:
    """Each is a line of its own, of one mark, beside the net's."""
    found = Initialisation((), (signals_of("D", "he", *stds),))
    _, plot = plots_in(signal_plots(found, "std"))
    drawn = [e for e in plot.iter() if (e.get("id") or "").startswith("line2d")]
    without = Initialisation((), (signals_of("D", "he", *[1.0] * 6),))
    _, other = plots_in(signal_plots(without, "std"))
    assert len(drawn) - len([e for e in other.iter() if "line2d" in (e.get("id") or "")]) == marks


def test_nothing_but_zeros_is_a_plot_too() -> None:
    found = Initialisation((), (signals_of("D", "he", *[0.0] * 6),))
    legend, _ = plots_in(signal_plots(found, "std"))
    assert texts(legend) == ["he", "zero, beyond the scale"]


def test_plots_are_in_the_pages_colours() -> None:
    html = "".join(sections_of_initialisation(FOUND))
    assert "var(--ink)" in html
    assert "#010101" not in html


def test_the_page_names_what_is_not_finite() -> None:
    sections = sections_of_initialisation(FOUND)
    assert len(sections) == 4
    said = "no finite numbers: D from gaussian:10 in 2 of 6 layers, the first being fc7."
    assert said in sections[1]
    steady = Initialisation(FOUND.lecture, (STEADY,))
    assert "no finite numbers" not in "".join(sections_of_initialisation(steady))


def test_the_lectures_figures_are_counted_as_they_hold() -> None:
    """Of Xavier's tanh the first is 0.628, within four times 0.01 of 0.63; of the others none.

    The second there is 0.486, and 0.315 half of 0.63. Means are all 0 and printed ones are not.
    """
    html = lecture_plots(FOUND.lecture)
    held = [
        (each.case.name, v.printed.layer)
        for each in FOUND.lecture
        for v in each.verdicts
        if v.holds
    ]
    assert held[0] == ("tanh, N(0, 1) / √fan-in (Xavier)", 1)
    assert f"{len(held)} of 30 are within the spread of ours" in html
    assert "the mean of 3 draws" in html
    assert texts(plots_in(html)[0])[-2:] == ["printed", "zero, beyond the scale"]


def test_tables_have_a_row_for_each_layer_and_a_column_for_each_beginning() -> None:
    text = markdown(FOUND)
    parts = dict(re.findall(r"### (.*?)\n\n(.*?)(?=\n\n|\n\Z)", text, re.DOTALL))
    assert [*parts] == ["The lecture's stack"] + [
        f"{net}: {what}"
        for net in ("D", "E")
        for what in (
            "deviation of values", "deviation of gradients by values",
            "deviation of gradients by weights / of weights", "zeros among values",
            "gain, measured (predicted)",
        )
    ]  # fmt: skip
    assert parts["D: deviation of values"].split("\n") == [
        "| layer | gaussian:0.01 | gaussian:10 |",
        "| --- | --: | --: |",
        "| conv1_1 | 1 | 1 |",
        "| conv2_1 | 0.001 | 1e+05 |",
        "| conv2_2 | 1e-06 | 1e+10 |",
        "| fc6 | 1e-09 | 1e+20 |",
        "| fc7 | 0 | inf |",
        "| fc8 | 0 | nan |",
    ]
    assert "| conv1_1 | 50% |" in parts["E: zeros among values"]
    assert "| fc7 | 0.25 (0.24) |" in parts["E: gain, measured (predicted)"]
    assert parts["E: gain, measured (predicted)"].endswith("| fc8 | 0.25 |")
    row = "| tanh, N(0, 1) / √fan-in (Xavier) | std | 1 | 0.627953 | 0.63 ± 0.01 | yes |"
    assert row in parts["The lecture's stack"]
