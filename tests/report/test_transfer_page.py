"""What a page says of a classifier on descriptors, of answers that are counted by hand."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from verydeep.descriptors.projections import Projection
from verydeep.report.descriptor_map import COLOURS, SHAPES, apart, descriptor_map, spread
from verydeep.report.transfer_page import Judged, class_table, curves, hardest, maps

CLASSES = ("ant", "b<e>e", "cat")
VALUES = np.array(
    [[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.8, 0.1, 0.1]]
)
LABELS = np.array([0, 0, 1, 1, 2])
NAMES = tuple(f"{i}.png" for i in range(5))


def uri(i: int) -> str | None:
    return None if i == 4 else f"data:{i}"


def rows_of(html: str) -> dict[str, list[str]]:
    """The cells of a table, by the first of each row."""
    found = {}
    for row in re.findall(r"<tr><td>(.*?)</tr>", html):
        first, *others = [cell.removesuffix("</td>") for cell in row.split("<td>")]
        found[first] = others[:-1]
    return found


def single() -> Judged:
    return Judged(VALUES, LABELS, NAMES, CLASSES, uri)


def test_figures_of_classes_are_counted_by_hand() -> None:
    """For ants are taken 0, 1, 3, 4, of which 0 and 1 are; for bees 2, of 2 and 3; for cats none.

    Ants are ranked 0, 4, 1: precision 1 and 2/3, so that AP is 5/6. The cat shares its value with
    2 and 3, which stand before it: AP 1/3. The bees are 2, then 3 behind 1: 1 and 2/3.
    """
    found = rows_of(class_table(single()))
    assert found == {
        "cat": ["1", "-", "0.0", "0.0", "33.3"],
        "ant": ["2", "50.0", "100.0", "66.7", "83.3"],
        "b&lt;e&gt;e": ["2", "100.0", "50.0", "66.7", "83.3"],
    }
    assert [*found] == ["cat", "ant", "b&lt;e&gt;e"]  # the lowest F1 first, then by number


def test_right_answers_come_by_how_nearly_they_are_not() -> None:
    """0, 1 and 2 are right, by 0.8, 0.2 and 0.5."""
    html = hardest(single())
    assert re.findall('src="(data:.)"', html) == ["data:1", "data:2", "data:0"]
    assert "<b>ant</b> 0.60<br>then b&lt;e&gt;e 0.40" in html
    assert "b<e>e" not in html
    assert hardest(Judged(VALUES, np.full(5, 2), NAMES, CLASSES, uri)) == "<p>None is right.</p>"


def test_curves_are_those_of_the_classes_with_the_least_precision() -> None:
    html = curves(single(), most=2)
    assert html.count("<svg") == 2
    assert html.index("<b>cat</b> AP 33.3 %") < html.index("<b>ant</b> AP 83.3 %")
    assert "the 2 classes with the least AP" in html


def test_a_class_without_pictures_has_no_figures_and_a_gone_picture_an_empty_card() -> None:
    judged = Judged(np.eye(3)[:1], np.array([0]), NAMES[:1], CLASSES, lambda i: None)
    rows = rows_of(class_table(judged))
    assert rows["cat"] == rows["b&lt;e&gt;e"] == ["0", "-", "-", "-", "-"]
    assert curves(judged).count("<svg") == 1
    assert hardest(judged).count("not found") == 1


def drawn(labels: list[int], classes: tuple[str, ...]) -> str:
    points = np.random.default_rng(0).normal(size=(len(labels), 2))
    names = [f"<{i}>" for i in range(len(labels))]
    return descriptor_map(
        Projection("x", points, "said & done"), np.array(labels), names, classes, uri
    )


def test_classes_of_a_map_have_colours_and_shapes_of_their_own() -> None:
    html = drawn([0, 1, 2, -1], ("a", "b", "c&d"))
    pictures = re.findall("<img[^>]*>", html)
    assert len(pictures) == 4
    ElementTree.fromstring(f"<div>{re.sub('<img[^>]*>', '', html)}</div>")
    for k in range(3):
        assert html.count(f'class="c{k}" style="translate') == 2  # a mark and one in the legend
        assert html.count(SHAPES[k]) >= 2
    assert "<title>&lt;2&gt;: c&amp;d</title>" in html
    assert "no class, or several" in html
    assert "said &amp; done" in html


def test_more_classes_than_shapes_are_told_by_their_numbers() -> None:
    classes = tuple(f"class {k}" for k in range(30))
    html = drawn([*range(30)], classes)
    assert "<text" in html
    assert ">30<title>&lt;29&gt;: class 29</title></text>" in html
    assert f'class="c{29 % COLOURS}"' in html
    assert "30 classes by their numbers" in html


def test_pictures_of_a_map_do_not_cover_one_another() -> None:
    places = np.array([[0, 0], [5, 5], [12, 0], [11, 9], [0, 10.5]])
    assert apart(places, 10) == [0, 2, 4]
    rng = np.random.default_rng(0).uniform(0, 100, (200, 2))
    kept = apart(rng, 10)
    for i in kept:
        assert all(np.abs(rng[i] - rng[k]).max() >= 10 for k in kept if k != i)
    for i in {*range(200)} - {*kept}:  # and each that is left out would cover an earlier one
        assert any(np.abs(rng[i] - rng[k]).max() < 10 for k in kept if k < i)


def test_a_map_of_many_is_of_some_spread_over_all() -> None:
    assert spread(5).tolist() == [0, 1, 2, 3, 4]
    assert spread(10001, 3).tolist() == [0, 5000, 10000]
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    asked: list[int] = []
    html = maps(rows, LABELS, NAMES, CLASSES, lambda i: asked.append(i) or uri(i))  # type: ignore[func-returns-value]
    assert {type(i) for i in asked} == {int}
    assert "Principal components" in html
    assert "t-SNE" not in html  # of five pictures it says nothing
    assert "5 pictures are shown" in html
