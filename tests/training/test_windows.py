"""Windows of training crops: a rectangle is looked for in the crops that the loader cuts.

`tests/rectangles.py` finds it in pixels without asking us where it is.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import objects
from tests.rectangles import found_in, with_rectangle
from verydeep.datasets import Dataset, Part, open_dataset
from verydeep.localisation.shares import boxes_in_shares, boxes_of_shares
from verydeep.packs.writer import pack
from verydeep.parts.annotations import Objects
from verydeep.pictures.boxes import areas, clipped, into_window, out_of_window
from verydeep.pictures.picture_files import shrinking
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.windows import Window
from verydeep.runtime.progress import SILENT
from verydeep.training.loader import Batch, CropSource, batches, remember
from verydeep.training.settings import Settings

PIXELS = Pixels((36, 36), (0.0, 0.0, 0.0))
SETTINGS = Settings(crop=32, scale=(36, 36), batch=8, seed=2)
SIZE = (601, 803)
BOXES = [(20 + 61 * i, 40 + 23 * i, 320 + 57 * i, 400 + 21 * i) for i in range(8)]
PICTURES = [with_rectangle(SIZE, box) for box in BOXES]


def encoded(image: np.ndarray, form: str, orientation: int = 1) -> bytes:
    stored, exif, buffer = Image.fromarray(image), Image.Exif(), io.BytesIO()
    exif[274] = orientation
    if orientation == 6:  # shown upright when turned by 90 degrees clockwise
        stored = stored.transpose(Image.Transpose.ROTATE_90)
    stored.save(buffer, form, exif=exif, **({"quality": 95} if form == "JPEG" else {}))
    return buffer.getvalue()


def part_of(source: Callable[[int], Any]) -> Part:
    def of(i: int) -> Objects:
        return Objects.of_class(np.array([BOXES[i]], float), i % 2)

    return Part([f"{i}" for i in range(8)], np.arange(8) % 2, source, of)


def jpegs() -> Part:
    assert shrinking(SIZE, 36) == 4  # in its decoder, and 601 and 803 are not divided by 4
    return part_of(lambda i: encoded(PICTURES[i], "JPEG"))


def turned() -> Part:
    return part_of(lambda i: encoded(PICTURES[i], "JPEG", 6))


def pngs() -> Part:
    return part_of(lambda i: encoded(PICTURES[i], "PNG"))


def arrays() -> Part:
    return part_of(lambda i: PICTURES[i])


def kept() -> Part:
    return remember(turned(), PIXELS, 1, SILENT)[0]


def some_kept() -> Part:
    return remember(pngs(), PIXELS, 1, SILENT, limit=4 * 36 * 48 * 3)[0]


def packed() -> Part:
    dataset = Dataset(
        "made", "made", ("a", "b"), {"train": jpegs(), "validation": jpegs()}, (), (), "0" * 16
    )
    pack(dataset, Path("packed"), side=450, threads=1)
    return open_dataset("packed").train


KINDS = [jpegs, turned, pngs, arrays, kept, some_kept, packed]


def crops(part: Part, settings: Settings, epochs: int = 12) -> list[Batch]:
    """An epoch has one batch."""
    source = CropSource(part, PIXELS)
    return [next(batches(source, settings, epoch, threads=1)) for epoch in range(epochs)]


def as_shown(batch: Batch, i: int) -> np.ndarray:
    """The crop's pixels as the network is shown them."""
    return np.asarray(batch.shown(PIXELS)[i].permute(1, 2, 0).numpy())


@pytest.mark.parametrize("scale", [(36, 36), (32, 60)], ids=["fixed", "jittered"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_crop_shows_the_rectangle_where_its_window_says(
    kind: Callable[[], Part], scale: tuple[int, int]
) -> None:
    part, looked_at = kind(), 0
    if scale != (36, 36) and kind in (kept, some_kept):
        pytest.skip("pictures whose scale is jittered are not kept")
    settings = replace(SETTINGS, scale=scale)
    for batch in crops(part, settings):
        assert len(batch.windows) == 8
        for i, window in enumerate(batch.windows):
            boxes = objects(part, batch.shown_of[i]).boxes
            visible = clipped(into_window(boxes, window), window.size)
            np.testing.assert_allclose(
                out_of_window(into_window(boxes, window), window), boxes, atol=1e-4
            )
            shares = boxes_in_shares(boxes, window)
            np.testing.assert_allclose(boxes_of_shares(shares, window), boxes, atol=1e-4)
            if areas(visible)[0] < 20:
                continue
            found = found_in(as_shown(batch, i))
            assert found is not None
            np.testing.assert_allclose(visible[0], found, atol=0.3)
            assert window.mirrored == bool(batch.mirrored[i])
            assert window.size == (32, 32)
            looked_at += 1
    assert looked_at > 80


@pytest.mark.parametrize("kind", KINDS)
def test_the_box_asked_of_a_crop_is_that_of_the_picture(kind: Callable[[], Part]) -> None:
    """Both classes have a box; what is asked of the other one, or shown less than half, is NaN."""
    part, asked = kind(), 0
    settings = replace(SETTINGS, task="localise")
    for epoch in range(6):
        batch = next(
            batches(CropSource(part, PIXELS, outputs=("a", "b")), settings, epoch, threads=1)
        )
        for target, window, i in zip(batch.targets, batch.windows, batch.shown_of, strict=True):
            label = int(part.labels[i])
            own, other = target.view(2, 4)[[label, 1 - label]].double().numpy()
            boxes = objects(part, i).boxes
            inside = into_window(boxes, window)
            half = areas(clipped(inside, window.size))[0] >= 0.5 * areas(inside)[0]
            assert np.isnan(other).all()
            assert np.isnan(own).any() != half
            if half:
                found = boxes_of_shares(own[None], window)
                np.testing.assert_allclose(found, boxes, atol=2e-4)  # float32 of 803 pixels
                asked += 1
    assert asked > 20


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_windows_are_of_the_upright_original_however_it_is_kept(kind: Callable[[], Part]) -> None:
    """A JPEG at a quarter is rescaled from 151 x 201 pixels, which are 604 x 804 of the original:
    its crops show up to three pixels more or less than those of the whole. A pack is an original.
    """
    reference, found = (crops(part, SETTINGS, 3) for part in (arrays(), kind()))
    for ours, theirs in zip(found, reference, strict=True):
        assert [window.picture for window in ours.windows] == [SIZE] * 8
        shown = np.array([[w.shown for w in batch.windows] for batch in (ours, theirs)])
        np.testing.assert_allclose(shown[0], shown[1], atol=4)


def test_micro_batches_have_the_windows_of_their_crops() -> None:
    batch = crops(arrays(), SETTINGS, 1)[0]
    piece = batch.part(3, 2, torch.device("cpu"))
    assert piece.windows == batch.windows[3:5]
    assert piece.shown_of == batch.shown_of[3:5]


def test_a_substitutes_window_is_of_the_picture_that_is_shown() -> None:
    def source(i: int) -> Any:
        return b"broken" if i < 4 else PICTURES[i]

    part = part_of(source)
    batch = crops(part, replace(SETTINGS, bad_picture="substitute"), 1)[0]
    pairs = [*zip(batch.samples.tolist(), batch.shown_of, strict=True)]
    assert all(taken == i if i > 3 else taken > 3 for i, taken in pairs)
    assert batch.targets.tolist() == [taken % 2 for taken in batch.shown_of]
    for i, window in enumerate(batch.windows):
        boxes = objects(part, batch.shown_of[i]).boxes
        found = found_in(as_shown(batch, i))
        assert found is not None
        visible = clipped(into_window(boxes, window), window.size)
        np.testing.assert_allclose(visible[0], found, atol=0.3)


def test_the_window_of_a_skipped_picture_is_its_crop_alone() -> None:
    batch = crops(part_of(lambda i: b"broken"), replace(SETTINGS, bad_picture="skip"), 1)[0]
    assert set(batch.windows) == {Window.whole((32, 32))}
