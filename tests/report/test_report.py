"""The page, its plots and its pictures.

What a page holds is read back with a parser of HTML; score maps are of networks and pictures so
plain that their values are known beforehand.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import TWO_CORES
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.evaluation.metrics import Bin
from verydeep.evaluation.scores import Scores, save_scores
from verydeep.evaluation.views import Protocol
from verydeep.insight.score_maps import _posterior_of_crops, score_maps
from verydeep.insight.signals import frozen
from verydeep.insight.view import View
from verydeep.nets import named
from verydeep.nets.network import build
from verydeep.nets.rows import PICTURE
from verydeep.pictures.preprocessing import Pixels
from verydeep.report import maps
from verydeep.report.heat import scales_of, told
from verydeep.report.maps import doubtful, surely_right, surely_wrong, where_it_looks
from verydeep.report.mistakes_seen import worst_mistakes
from verydeep.report.page import write_page
from verydeep.report.plots import figure_curve, loss_curves
from verydeep.report.protocols import _right, write_protocols_page
from verydeep.report.sheet import MARGIN, write_contact_sheet
from verydeep.report.tables import percent, short, text_table
from verydeep.report.thumbnails import data_uri, lit
from verydeep.report.top_units import rows_before_pools, top_units
from verydeep.runtime.progress import SILENT
from verydeep.tasks.classify import CLASSIFY
from verydeep.training.state import Epoch
from verydeep.verbs.compare import compared
from verydeep.verbs.explain import explain
from verydeep.verbs.run import Run
from verydeep.verbs.train import train

PIXELS = Pixels((48, 48), (120.0, 115.0, 110.0), (58.0, 58.0, 58.0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("page") / "run <b>"
    small = {"net": "A", "width": 0.125, "crop": 32, "batch": 10}
    return train("drawn:40x48", folder, runtime=TWO_CORES, epochs=2, **small)  # type: ignore[arg-type]


class Page(HTMLParser):
    """The tags of a page, held against each other, and the text in its cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.links: list[str] = []
        self.text = text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.cells[-1] += data


# --- the page


def test_the_page_is_whole_and_stands_alone(run: Run) -> None:
    text = write_page(run).read_text()
    page = Page(text)
    assert page.open == []
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in page.links)
    assert "<script" not in text
    for title in ("Errors", "Training", "Classes", "Worst mistakes", "How to repeat it"):
        assert f"<h2>{title}</h2>" in text
    assert page.tags.count("svg") == 2
    assert "run &lt;b&gt;" in text
    assert "run <b>" not in text


def test_the_page_says_the_errors_that_were_measured(run: Run) -> None:
    cells = Page(write_page(run).read_text()).cells
    for tested in run.tests:
        place = cells.index(f"{tested.scores.role}, {tested.scores.protocol}")
        count, top1, _, top5 = cells[place + 1 : place + 5]
        assert (count, top1, top5) == ("10", percent(tested.top1), percent(tested.top5))


def test_the_page_says_what_answers_err_that_look_at_no_picture(run: Run) -> None:
    """Ten classes of drawn pictures, in equal numbers."""
    assert "Without looking: a guess errs on 90.0 %" in write_page(run).read_text()


def test_every_error_on_the_page_has_its_interval(run: Run) -> None:
    """Wilson's of 95 % for 0 and 1 missed of 1, a class of drawn pictures: 0 to 79, 21 to 100."""
    page = Page(write_page(run).read_text())
    for tested in run.tests:
        place = page.cells.index(f"{tested.scores.role}, {tested.scores.protocol}")
        for error, between in (
            page.cells[place + 2 : place + 4],
            page.cells[place + 4 : place + 6],
        ):
            low, high = map(float, between.split(" to "))
            assert low <= float(error) <= high
    place = page.cells.index("arrow")
    count, error, between = page.cells[place + 1 : place + 4]
    assert (count, between) == ("1", {"0.0": "0 to 79", "100.0": "21 to 100"}[error])
    assert len(re.findall(r"error, dense; 95 %: \d+.\d to \d+.\d", page.text)) == 2


@pytest.mark.parametrize("most", [20, 4])
def test_of_many_classes_the_worst_are_shown_and_others_folded_in(
    run: Run, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("verydeep.report.answers.OPEN", most)
    text = write_page(run).read_text()
    assert ("The other 6 classes" in text) == (most == 4)
    cells = Page(text).cells
    shown = sorted(run.dataset.classes, key=cells.index)
    errors = [float(cells[cells.index(name) + 2]) for name in shown]
    tested = run.tests[-1].scores
    missed = tested.posteriors.argmax(1) != tested.labels
    own = [100 * missed[tested.labels == run.dataset.classes.index(name)].mean() for name in shown]
    assert errors == pytest.approx(own, abs=0.05)
    assert 0 in own
    assert 100 in own
    if most == 4:
        assert errors == sorted(errors, reverse=True)


def test_a_matrix_wider_than_a_phone_says_that_it_goes_on(run: Run) -> None:
    assert '<p class="cue">↔ wider than the screen' in write_page(run).read_text()


def test_the_page_counts_the_pictures_that_could_be_read(run: Run) -> None:
    fewer = replace(run, pictures={"train": 37, "validation": 9})
    text = write_page(fewer).read_text()
    for count, what in (("37", "to train on"), ("9", "that chose"), ("none", "to test on")):
        assert f"<b>{count}</b><span>pictures {what}" in text


def test_maps_are_of_right_doubtful_and_wrong_answers_on_one_scale(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers written by hand: pictures 0 and 1 surely right, 2 barely, 3 and 4 wrong."""
    heats: list[float] = []

    def lit(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
        heats.append(float(heat.max()))
        return image

    monkeypatch.setattr(maps, "lit", lit)
    tested, posteriors = run.tests[-1], np.full((10, 10), 0.01, np.float32)
    labels = tested.scores.labels
    rows = {0: (0.91, 0.01), 1: (0.8, 0.12), 2: (0.47, 0.45), 3: (0.2, 0.72), 4: (0.0, 0.92)}
    for i in range(10):
        own, other = rows.get(i, (0.6, 0.32))
        posteriors[i, labels[i]], posteriors[i, labels[i] - 1] = own, other
    tested = replace(tested, scores=replace(tested.scores, posteriors=posteriors))
    assert surely_right(tested)[:2] == [0, 1]
    assert doubtful(tested)[0] == 2
    assert surely_wrong(tested) == [4, 3]
    text = where_it_looks(run.network, tested)
    assert [*re.findall("<h3>(.*?)</h3>", text)] == [
        "Surely right", "Right, but only just", "Surely wrong",
    ]  # fmt: skip
    assert re.search(r'<p class="scale">posterior 0 % <img src="data:.*?> \d+%</p>', text)
    own, other = (run.dataset.classes[labels[4] - k] for k in (0, 1))
    assert f"<b>{own} 0%</b>, taken for {other} 92%" in text
    wrong_ones = text[text.index("Surely wrong") :]
    assert wrong_ones.count("<img") == 6  # the picture and two maps of each
    assert text.count("<img") == 1 + 2 * 8 + 6
    assert max(heats) == pytest.approx(1)  # of all maps together, and not of each
    assert min(heats) < 0.9


def test_worst_mistakes_have_maps_of_what_they_were_taken_for(run: Run) -> None:
    """Their scales are held against those of the maps that `explain` gives of that class."""
    tested, posteriors = run.tests[-1], np.full((10, 10), 0.01, np.float32)
    labels = tested.scores.labels
    posteriors[np.arange(10), labels] = 0.9
    right = replace(tested, scores=replace(tested.scores, posteriors=posteriors.copy()))
    assert worst_mistakes(run.network, right) == "<p>None at all.</p>"
    other = int(labels[4]) - 1
    posteriors[4] = np.where(np.arange(10) == other, 0.91, 0.01)
    wrong = replace(tested, scores=replace(tested.scores, posteriors=posteriors))
    text = worst_mistakes(run.network, wrong)
    name = run.dataset.classes[other]
    found = explain(run.network, tested.part.source(4), ["gradcam"], class_name=name,
                    progress=SILENT)  # fmt: skip
    assert re.search(
        rf'alt="to"> {told(scales_of(found.maps)["gradcam"].largest)} of the score', text
    )
    assert f"<b>{name}</b> 91%<br>is {run.dataset.classes[labels[4]]}" in text
    card, row = text.split('<p class="scale">')
    assert card.count("<img") == 2
    assert row.count("<img") == 6  # what the colours are; the picture, and two maps of two networks
    assert len(re.findall(r'alt="">[+-][01]\.\d\d', row)) == 2


def test_a_network_without_maps_has_its_mistakes_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verydeep.report.mistakes_seen.refuse_large", refused)
    text = worst_mistakes(run.network, run.tests[-1])
    assert text.startswith('<div class="cards"><figure')
    assert "Grad-CAM" not in text


def refused(*_: object) -> None:
    raise UserError("looking into it takes more memory than there is")


def test_units_that_answer_most_strongly_are_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held against the largest values of rows, run here picture by picture."""
    monkeypatch.setattr("verydeep.report.top_units.LOOKED_AT", 4)
    tested, network = run.tests[-1], frozen(run.network)
    text = top_units(run.network, tested)
    assert "to 4 pictures of the test part" in text
    for row in ("relu1_1", "relu2_1", "relu3_2", "relu4_2"):
        largest = np.stack([
            network.run({PICTURE: View.of_part(network, tested.part, i).images()}, [row])[row]
            .amax((0, 2, 3)).numpy() for i in (0, 3, 6, 9)
        ])  # fmt: skip
        first, *_ = np.argsort(-largest.max(0))
        values = np.sort(largest[:, first])[::-1]
        least = told(float(values[values > 0][-1]))
        shown = text[text.index(f"<h3>{row}</h3>") :]
        caption = shown[shown.index("<b>") : shown.index("; ")]
        assert caption == f"<b>{first}</b> {told(float(values[0]))} to {least}"


def test_rows_before_pools_are_those_of_the_paper() -> None:
    expected = ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]
    assert rows_before_pools(named.table("D")) == expected
    assert rows_before_pools(named.table("ResNet-18")) == ["relu1_1", "relu_add2_8"]


def test_a_page_that_cannot_be_written_is_named(run: Run) -> None:
    Path("file").touch()
    with pytest.raises(UserError, match="cannot write file/page.html"):
        write_page(run, Path("file/page.html"))


ODD = '<b>&"'
"""What is in the name of every class and picture, and may stand nowhere on a page as it is."""


@pytest.mark.parametrize("matrix", [20, 5])
def test_names_are_text_on_the_page(run: Run, monkeypatch: pytest.MonkeyPatch, matrix: int) -> None:
    monkeypatch.setattr("verydeep.report.answers.MATRIX", matrix)
    tests = []
    for tested in run.tests:
        one = tested.scores
        classes, names = ([ODD + name for name in names] for names in (one.classes, one.names))
        one = replace(one, classes=tuple(classes), names=tuple(names))
        tests.append(replace(tested, scores=one))
    data = replace(run.dataset, where=ODD, fingerprint=ODD)
    odd = replace(run, tests=tuple(tests), dataset=data, notes=(ODD,), folder=Path(ODD))
    text = write_page(odd, Path("page.html")).read_text()
    page = Page(text)
    assert page.open == []
    assert ODD + "arrow" in page.cells
    assert text.count("&lt;b&gt;&amp;&quot;") > 50
    assert ODD not in text


def test_names_are_text_on_the_page_of_a_comparison(photos: Callable[..., Path]) -> None:
    """Two networks on four pictures: each has one right of which the other is sure to be wrong."""
    photos(2, 2)
    for name in ("arrow", "crescent"):
        Path("photos", name).rename(f"photos/{ODD}{name}")
    dataset = open_dataset("photos")
    part = dataset.everything
    right = [[True, True, True, False], [True, False, True, True]]
    for name, known in zip("ab", right, strict=True):
        answers = np.where(known, part.labels, 1 - part.labels)
        one = Scores(
            np.eye(2, dtype=np.float32)[answers], part.labels, tuple(part.names), dataset.classes,
            Protocol("dense", 32, (32,)), name, dataset.fingerprint, "all",
        )  # fmt: skip
        save_scores(one, Path(f"{ODD}{name}/scores/x.safetensors"))
    found = compared([Path(f"{ODD}{name}") for name in "ab"])
    text = write_protocols_page(found, Path("page.html"), "photos").read_text()
    page = Page(text)
    assert page.open == []
    assert page.tags.count("figure") == 2
    assert f"{ODD}a: dense, with mirror image, Q = 32" in page.cells
    assert ODD not in text


# --- plots


def test_plots_mark_each_cut_of_the_rate_and_take_the_pages_colours() -> None:
    one = Epoch(1, 10, 0.1, 2.0, 2.1, {"top1": 80.0, "top5": 20.0}, 1.0, 0.0)
    epochs = [replace(one, epoch=n + 1, rate=r) for n, r in enumerate((0.1, 0.1, 0.01, 0.001))]
    cuts = [2, 3]
    for svg in (loss_curves(epochs, cuts), figure_curve(epochs, epochs[2], CLASSIFY.watched, cuts)):
        assert svg.count("stroke-dasharray") == 2
        assert "var(--ink)" in svg
        assert not re.search("#0[1-4]0[1-4]0[1-4]", svg)
        assert svg.startswith("<svg")
    assert loss_curves(epochs) == loss_curves(epochs)


def test_a_page_marks_the_cuts_of_a_rate_and_no_epoch_of_one_that_falls_smoothly(run: Run) -> None:
    one = run.epochs[0]
    epochs = tuple(replace(one, epoch=n + 1, rate=r) for n, r in enumerate((0.1, 0.1, 0.01, 0.001)))
    cut = replace(run, epochs=epochs, settings=replace(run.settings, fall="plateau"))
    smooth = replace(cut, settings=replace(run.settings, fall="cosine"))
    pages = [
        write_page(each, Path(f"{i}.html")).read_text() for i, each in enumerate((cut, smooth))
    ]
    assert [page.count("stroke-dasharray") for page in pages] == [4, 0]
    assert ["Dotted lines mark" in page for page in pages] == [True, False]
    assert "fell along half a cosine" in pages[1]


def test_one_epoch_has_an_axis_of_its_own_number() -> None:
    one = Epoch(1, 10, 0.1, 2.0, 2.1, {"top1": 80.0, "top5": 20.0}, 1.0, 0.0)
    for svg in (loss_curves([one]), figure_curve([one], one, CLASSIFY.watched)):
        axis = svg[svg.index('id="matplotlib.axis_1"') : svg.index('id="matplotlib.axis_2"')]
        assert re.findall(r">([\d.]+)</text>", axis) == ["1"]


# --- pictures


@torch.no_grad()
def test_a_score_map_is_the_posterior_of_the_crop_about_each_place() -> None:
    """A network whose convolutions pass the mean of channels on scores the brightest of a crop."""
    pixels = replace(PIXELS, mean=(0.0, 0.0, 0.0), std=(100.0, 100.0, 100.0))
    network = build("A", 2, width=0.125, crop=32, pixels=pixels)
    for name, weight in network.named_parameters():
        weight.zero_()
        if weight.ndim == 4:
            middle = weight.shape[2] // 2
            weight[..., middle, middle] = 1 / weight.shape[1]
        if name == "fc8.weight":
            weight[1] = 0
    noise = np.random.default_rng(0).integers(0, 40, (56, 88, 1)).astype(np.uint8)
    noise[30, 50] = 200
    found, places = _posterior_of_crops(network, noise.repeat(3, 2))
    found = found[0]
    assert found.shape == (5, 7)
    assert places[0].tolist() == [-4, 12, 28, 44, 60]  # 28 and 44 are the picture's middle
    assert places[1].tolist() == [-4, 12, 28, 44, 60, 76, 92]
    padded = np.pad(noise[..., 0], 20) / 100
    for row, column in np.ndindex(5, 7):
        crop = padded[16 * row : 16 * row + 32, 16 * column : 16 * column + 32]
        expected = 1 / (1 + np.exp(-crop.max()))
        assert found[row, column] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("crop", [32, 39, 40, 47, 48, 63, 70])
@pytest.mark.parametrize("size", [(72, 80), (79, 95), (97, 111)])
def test_a_crop_of_any_side_has_its_posterior_at_every_place(
    crop: int, size: tuple[int, int]
) -> None:
    network = build("A", 2, width=0.125, crop=crop, pixels=PIXELS, initial="he")
    image = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    found, places = _posterior_of_crops(network, image)
    assert found.shape[1:] == tuple(1 + math.ceil(side / 16) for side in size)
    assert [len(along) for along in places] == list(found.shape[1:])
    assert ((found > 0) & (found < 1)).all()


def test_a_picture_glows_where_the_posterior_is_high() -> None:
    network = build("A", 2, width=0.125, crop=32, pixels=PIXELS, initial="he")
    grey = np.full((48, 60, 3), 128, np.uint8)
    with torch.no_grad():
        network.fc8.weight.zero_()  # type: ignore[operator, union-attr]
        network.fc8.bias.copy_(torch.tensor([20.0, -20.0]))  # type: ignore[operator, union-attr]
    sure, sure_not = (lit(grey, heat) for heat in score_maps(network, grey, (0, 1)))
    assert sure.shape == (48, 60, 3)
    assert (sure == np.round(0.6 * grey + 0.4 * np.array((235, 94, 40)))).all()
    assert (sure_not == np.round(0.35 * grey)).all()


def test_a_thumbnail_is_a_small_jpeg() -> None:
    uri = data_uri(np.zeros((300, 600, 3), np.uint8), 160)
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as small:
        assert (small.format, small.size) == ("JPEG", (160, 80))


def test_a_contact_sheet_has_a_row_for_each_class(tmp_path: Path) -> None:
    write_contact_sheet(open_dataset("drawn:40x48"), tmp_path / "sheet.png", columns=3)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (2 * MARGIN + 3 * 102 - 6, 2 * MARGIN + 10 * 120 - 6)


# --- tables: expected values by hand


def test_numbers_are_short_and_tables_straight() -> None:
    assert [short(n) for n in (7, 999, 1000, 802_816, 102_760_448, 15.5e9)] == [
        "7", "999", "1K", "803K", "103M", "15.5G",
    ]  # fmt: skip
    assert percent(None) == "-"
    assert text_table([["a", "10"], ["bb", "5"]]) == "a   10\nbb   5"


def test_every_bin_of_confidence_is_in_a_column() -> None:
    """By hand: (0.5 x 4 + 1 x 1) of 5 are right in the first three bins, 60 %, and none are there
    in the others."""
    bins = [Bin(5.0, 50.0, 4), None, Bin(15.0, 100.0, 1), None, None, None, Bin(45.0, 20.0, 1000)]
    assert _right(bins) == ["60 (5)", "-", "20 (1,000)"]
