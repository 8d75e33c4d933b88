"""The page of a comparison of boxes files.

Which test is right on which picture, and the errors that follow, are by hand, of the four pictures
in tests/localisation/made.py.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.localisation.made import box, centre, four
from tests.report.test_report import ODD, Page
from verydeep.commands.compare import compare
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.localisation.boxes_file import Localised, save_boxes

A, B = (Path(f"{ODD}{name}/boxes/x.safetensors") for name in "ab")
BEST, OTHER = (f"{ODD}{name}: {four().title}" for name in "ab")


@pytest.fixture(autouse=True)
def _two_tests() -> None:
    """That of `four`, which is right on a and b, and another one, which is right on c alone.

    Of a it has the place wrong, of b the class, and of c the second guess is right.
    """
    boxes = four().boxes.copy()
    boxes[0, 0], boxes[1], boxes[2, 1] = box(150, 50, 50, 50), box(0, 0, 9, 9), box(0, 0, 50, 100)
    candidates = np.array([[0, 1], [0, 1], [0, 1], [0, 2]])
    print_of = fingerprint_of_photos()
    save_boxes(of_photos(four(), f"{print_of}-81aa"), A)
    other = replace(four(), boxes=boxes, candidates=candidates, weights="other")
    save_boxes(of_photos(other, print_of), B)


def names(found: Localised) -> tuple[str, ...]:
    return tuple(
        f"{found.classes[k]}/{name}.png" for k, name in zip(found.labels, found.names, strict=True)
    )


def fingerprint_of_photos() -> str:
    """That of grey pictures of 100 x 200 called as those of `four`, in class folders."""
    for i, name in enumerate(names(four())):
        path = Path("photos", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((100, 200, 3), 90 + i, np.uint8)).save(path)
    return open_dataset("photos").fingerprint


def of_photos(found: Localised, data: str) -> Localised:
    return replace(found, names=names(found), data=data, part="all")


def page_of(*files: Path, data: str | None = None) -> Page:
    compare([*files], page=Path("page.html"), data=data, overwrite=True)
    return Page(Path("page.html").read_text())


def rows_of(page: Page, name: str, cells: int) -> list[list[str]]:
    """The cells behind a name, wherever it stands in a table."""
    return [page.cells[i + 1 :][:cells] for i, cell in enumerate(page.cells) if cell == name]


def test_the_page_has_errors_what_they_are_made_of_and_what_parts_them() -> None:
    """Objects of b, of a and c, and of d are small, medium and large."""
    page = page_of(A, B)
    assert page.open == []
    assert ODD not in page.text
    errors, wrong, sizes = rows_of(page, BEST, 4)
    assert errors == ["75.0", "50.0", "15.0 to 85.0", "25.0"]
    assert wrong == ["50.0", "25.0", "0.0", "25.0"]
    assert sizes[:3] == ["0.0", "50.0", "100.0"]
    errors, worse, wrong, sizes = rows_of(page, OTHER, 4)
    assert errors[:2] == ["100.0", "75.0"]
    assert worse[0] == "25.0"
    assert worse[2] == "2 / 1"
    assert wrong == ["25.0", "25.0", "0.0", "50.0"]
    assert page.tags.count("svg") == 2
    assert "Five guesses name all classes here" in page.text
    assert "Where they disagree" not in page.text


def test_pictures_are_shown_that_one_test_alone_has_right() -> None:
    page = page_of(A, B, data="photos")
    assert page.open == []
    assert len([link for link in page.links if link.startswith("data:image/jpeg")]) == 3
    captions = re.findall(r"<figcaption>(<b>.*?)</figcaption>", page.text)
    assert captions == [
        "<b>cat</b> IoU 1.00<br>the other: IoU 0.00",
        "<b>owl</b> IoU 1.00<br>the other: taken for cat",
        "<b>dog</b> IoU 1.00<br>the other: IoU 0.50",
    ]
    assert "(2 pictures)" in page.text
    assert "(1 picture)" in page.text


def test_tests_that_were_given_the_class_have_no_mistakes_of_it() -> None:
    save_boxes(centre(), A)
    page = page_of(A)
    (errors, _) = rows_of(page, centre().title, 2)
    assert errors == ["0.0", "0.0 to 65.8"]
    assert "<h2>What is wrong" not in page.text
    assert "<h2>Which is better" not in page.text
    assert "A test of boxes in 2 pictures" in page.text


def test_pictures_of_other_data_are_not_shown() -> None:
    with pytest.raises(UserError, match="drawn:20x48 is not what was tested: its fingerprint is"):
        page_of(A, B, data="drawn:20x48")
