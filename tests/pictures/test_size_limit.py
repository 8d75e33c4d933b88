"""How many pixels are read, and what raises that: sizes and millions are worked by hand."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from verydeep.errors import PictureError, UserError
from verydeep.pictures.preprocessing import IMAGENET
from verydeep.pictures.reading import picture_size, read_picture
from verydeep.pictures.size_limit import VARIABLE, most_pixels


def of(width: int, height: int, form: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("L", (width, height), 90).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(("width", "height"), [(12000, 9000), (16384, 4096)])
def test_photographs_of_phones_and_panoramas_are_read_with_no_option(
    width: int, height: int
) -> None:
    """108 and 67 Mpx: decoded at a half, 27 and 17 Mpx."""
    assert read_picture(of(width, height, "JPEG")).shape == (height // 2, width // 2, 3)


def test_the_refusal_names_what_lets_a_larger_picture_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """30,000 pixels of each side are 900 million, of 12 bytes each and 28."""
    bomb = of(30000, 30000)
    assert len(bomb) < 1_000_000
    with pytest.raises(
        PictureError,
        match=f"or set {VARIABLE}=900 in .*, for 10.8 GB of memory each, and 25.2 GB with",
    ):
        read_picture(bomb)
    monkeypatch.setenv(VARIABLE, "0.01")
    picture = of(101, 100)
    for read in (read_picture, picture_size, lambda data: IMAGENET.read(data, 64)):
        with pytest.raises(PictureError, match=f"0.0101 Mpx.*set {VARIABLE}=1 in"):
            read(picture)
    monkeypatch.setenv(VARIABLE, "0.0101")
    assert (read_picture(picture) == np.full((100, 101, 3), 90)).all()


def test_the_limit_is_fifty_million_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert most_pixels() == 50_000_000
    monkeypatch.setenv(VARIABLE, "")
    assert most_pixels() == 50_000_000


@pytest.mark.parametrize("said", ["x", "0", "-1", "nan", "inf", "100M", "1e308", "1000001"])
def test_a_limit_that_is_no_number_of_millions_is_refused(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, said)
    with pytest.raises(UserError, match=f"{VARIABLE} is '{said}'; a number of millions"):
        most_pixels()
