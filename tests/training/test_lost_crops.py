"""What is said of crops that lose what is marked: shares and S by hand.

Pictures are 100 x 100 with one object each. A POST is as tall as they are and 10 wide, in the
middle. Of it a crop of 32 never shows half where S is above 64; at S = 64 it is 28.8 to 35.2, and
whole in crops that begin from 4 to 28, of 0 to 32. At S = 60 it is 27 to 33, 32 of 60 are enough
where 5.625 of its 6 show: in crops that begin from 1 to 27, of 0 to 28.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import TWO_CORES
from verydeep.errors import UserError
from verydeep.parts.annotations import LabelSets, Objects, Points
from verydeep.parts.dataset import Part
from verydeep.pictures.windows import Window
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime
from verydeep.training.lost_crops import said_of_lost_crops, share_lost
from verydeep.training.settings import Settings
from verydeep.verbs.train import train

PICTURES = 200
POST, CORNER = [45.0, 0.0, 55.0, 100.0], [0.0, 0.0, 10.0, 10.0]
SIZES = dict.fromkeys(range(PICTURES), (100, 100))
TINY: dict[str, Any] = {
    "task": "localise", "net": "A", "width": 0.125, "crop": 32, "fc": 8, "batch": 16, "epochs": 1,
}  # fmt: skip


def part_of(box: list[float], difficult: bool = False, **said: Any) -> Part:
    found = Objects(np.array([box]), np.array([0]), np.array([difficult]))
    source, names = np.zeros((100, 100, 3), np.uint8), [str(i) for i in range(PICTURES)]
    return Part(names, np.zeros(PICTURES, np.int64), lambda i: source, lambda i: found, **said)


def at(low: int, high: int | None = None, task: str = "localise") -> Settings:
    return Settings(task=task, crop=32, scale=(low, high or low))


def lost(part: Part, settings: Settings) -> float:
    return share_lost(part, SIZES, settings, ("a",))


def said(part: Part, settings: Settings) -> str | None:
    return said_of_lost_crops(part, settings, ("a",), "photos")


def within(share: float) -> Any:
    """Four deviations of a share of so many crops."""
    return pytest.approx(share, abs=4 * (share * (1 - share) / PICTURES) ** 0.5)


def test_a_crop_loses_what_it_shows_less_than_half_of() -> None:
    assert lost(part_of(POST), at(32)) == 0
    assert lost(part_of(POST), at(60)) == within(2 / 29)
    assert lost(part_of(POST), at(64)) == within(8 / 33)
    assert lost(part_of(POST), at(65)) == 1


def test_places_in_pictures_that_are_kept_smaller_are_those_of_the_originals() -> None:
    """POST is of 100 x 100, kept as 50 x 50."""
    kept = Window.whole((100, 100)).rescaled((50, 50))
    line = said(part_of(POST, windows=lambda i: kept), at(64, 66))
    # at S = 65 and 66 all lose it, at S = 64 8 of 33
    assert line is not None
    share = float(line.split("half of ")[1].split(" %")[0]) / 100
    assert share == within((2 + 8 / 33) / 3)


def test_what_is_difficult_is_asked_of_no_crop_and_lost_by_none() -> None:
    assert lost(part_of(POST, difficult=True), at(128)) == 0


def test_what_lies_outside_of_all_pictures_is_refused() -> None:
    """A box is outside where less than half of it lies in the picture."""
    do = r"; `verydeep look photos` tells of the others$"
    for box, told in (
        ([900.0, 0.0, 950.5, 9.0], "900 0 950.5 9"),
        ([60.0, 0.0, 141.0, 9.0], "60 0 141 9"),
    ):
        line = "^nothing that is marked in photos lies in its picture: of 0, 100 x 100 pixels, the"
        with pytest.raises(UserError, match=f"{line} first is {told}{do}"):
            said(part_of(box), at(32))
    assert said(part_of([60.0, 0.0, 139.0, 9.0]), at(32)) is None
    found, truth = Points(np.array([[50.0, -1.0]]), np.array([0])), LabelSets.of([[0]] * PICTURES)
    names, image = [str(i) for i in range(PICTURES)], np.zeros((100, 100, 3), np.uint8)
    part = Part(names, truth, lambda i: image, points=lambda i: found)
    with pytest.raises(UserError, match=f"the first is 50 -1{do}"):
        said(part, at(32, task="points"))


def test_points_outside_of_a_crop_are_lost() -> None:
    """Of two points the one in the corner shows in crops that begin there, of 33 x 33 the first."""
    found = Points(np.array([[50.0, 50.0], [0.0, 0.0]]), np.array([0, 1]))
    truth = LabelSets.of([[0, 1]] * PICTURES)
    part = Part([str(i) for i in range(PICTURES)], truth, lambda i: b"", points=lambda i: found)
    share = share_lost(part, SIZES, at(64, task="points"), ("a", "b"))
    assert 0.48 <= share <= 0.5


def test_crops_that_show_most_of_what_is_marked_are_worth_no_line() -> None:
    assert said(part_of(POST), at(64)) is None
    assert said(part_of(CORNER), at(64, task="classify")) is None


def test_the_largest_s_is_named_at_which_little_is_lost() -> None:
    """Of a corner 10 wide at S = 64 half shows where (6.4 - y)(6.4 - x) is 20.48 or more: in 10
    crops of 33 x 33. Every crop shows it at S = 32.
    """
    line = said(part_of(POST), at(48, 128))
    assert line is not None
    assert line.startswith("crops of 32 at S = 48 to 128 show less than half of ")
    assert line.endswith(" % of what is marked in photos, and teach nothing of that; "
                         "--scale 44 loses 0 %")  # fmt: skip
    line = said(part_of(CORNER), at(64))
    assert line is not None
    assert line.startswith("crops of 32 at S = 64 show less than half of 9")
    assert line.endswith("; --scale 32 loses 0 %")


def test_a_training_whose_crops_lose_all_is_refused_and_leaves_no_folder() -> None:
    line = r"^crops of 32 at S = 65 show less than half of 100 % .*; --scale 60 loses . %$"
    with pytest.raises(UserError, match=line):
        said(part_of(POST), at(65))
    with pytest.raises(
        UserError, match="at S = 512 show less than half of 100 % of what is marked"
    ):
        train("drawn:40x48", "run", TWO_CORES, **TINY, scale=512)
    assert not Path("run").exists()


def test_it_is_said_before_training_begins() -> None:
    lines: list[str] = []

    class Told(Progress):
        def say(self, line: str) -> None:
            lines.append(line)

    train("drawn:40x48", "run", Runtime(Machine("cpu", 1), progress=Told()), **TINY, scale=64)
    (warned,) = (i for i, line in enumerate(lines) if line.startswith("crops of 32 at S = 64 show"))
    assert warned < next(i for i, line in enumerate(lines) if line.startswith("training: "))
