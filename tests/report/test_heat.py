"""Maps in colours: what a scale ends at and says, and the colours of known numbers, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from verydeep.insight.maps import Map
from verydeep.pictures.windows import Window
from verydeep.report.heat import (
    COLD,
    COLOURS,
    GROUND,
    Scale,
    bar,
    colours_of,
    in_classes,
    painted,
    scales_of,
)
from verydeep.report.thumbnails import HOT

WHOLE = Window.whole((2, 3))
GREY = np.full((2, 3, 3), 100, np.uint8)


def one(method: str, values: object, unit: str = "score") -> Map:
    return Map(method, np.asarray(values, np.float32) * np.ones((2, 3), np.float32), WHOLE, unit)


def test_a_scale_is_of_the_map_in_the_middle_and_of_posteriors_the_largest() -> None:
    maps = [one("gradcam", value) for value in (0.1, 0.2, 40)]
    maps += [one("scores", value, "posterior") for value in (0.1, 0.2, 0.9)]
    found = scales_of([*maps, one("occlusion-classes", 1)])
    assert {name: scale.largest for name, scale in found.items()} == pytest.approx(
        {"gradcam": 0.2, "scores": 0.9}
    )
    assert scales_of([one("gradcam", value) for value in (0, 0, 3)])["gradcam"].largest == 3


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (Scale("gradient", 0.01234, "score per grey level"), "0 to 0.012 score per grey level"),
        (Scale("deconvnet", 1234, "of the signal"), "-1,234 to 1,234 of the signal"),
        (Scale("scores", 0.934, "posterior"), "posterior 0 to 93.4%"),
    ],
)
def test_a_scale_is_told_in_numbers(scale: Scale, said: str) -> None:
    assert str(scale) == said
    assert bar(scale).shape == (12, 160, 3)


def test_numbers_beyond_a_scale_look_like_its_end() -> None:
    values = np.array([[0, 0.5, 9], [-9, 1, 0]], np.float32)
    gradient = painted(GREY, values, Scale("gradient", 1, ""))
    assert gradient[..., 0].tolist() == [[0, 128, 255], [0, 255, 0]]
    signal = painted(GREY, np.stack([values] * 3, 2), Scale("guided", 1, ""))
    assert signal[..., 1].tolist() == [[128, 191, 255], [0, 255, 128]]
    two = painted(GREY, values, Scale("integrated", 1, ""))
    assert two[0, 0].tolist() == [GROUND] * 3
    assert (tuple(two[0, 2]), tuple(two[1, 0])) == (HOT, COLD)
    lit = painted(GREY, values, Scale("gradcam", 1, ""))
    assert lit[0, 0].tolist() == [35] * 3  # dimmed to 0.35
    assert lit[1, 1].tolist() == [round(0.6 * 100 + 0.4 * c) for c in HOT]
    left = painted(GREY, values, Scale("occlusion", 1, ""))
    assert left[0, 0].tolist() == [round(0.45 * 100 + 0.55 * c) for c in COLD]
    assert left[1, 1].tolist() == [round(0.45 * 100 + 0.55 * c) for c in HOT]


def test_classes_have_colours_the_most_frequent_first() -> None:
    values = np.array([[7, 7, 2], [7, 2, 5]], np.float32)
    colours = colours_of([Map("occlusion-classes", values, WHOLE, "class")])
    assert colours == {7: COLOURS[0], 2: COLOURS[1], 5: COLOURS[2]}
    shown = in_classes(GREY, values, colours)
    assert shown[1, 2].tolist() == [round(45 + 0.55 * c) for c in COLOURS[2]]
    assert colours_of([one("gradcam", 1)]) == {}
