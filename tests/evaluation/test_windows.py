"""Windows of what tests show: a rectangle is looked for in every view of every protocol.

`tests/rectangles.py` finds it without asking us. What a position of a score map sees is told by
pixels that are no numbers: every value that looks at one is none either.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from tests.rectangles import found_in, with_rectangle
from verydeep.datasets import Part
from verydeep.evaluation.views import (
    WAYS,
    Protocol,
    crop_at_position,
    sight_at_position,
)
from verydeep.nets import vgg
from verydeep.nets.locality import Locality
from verydeep.nets.network import Network, build
from verydeep.pictures.boxes import areas, clipped, into_window, out_of_window
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.windows import Window

SIZE, BOX = (405, 603), (190, 90, 431, 322)
PIXELS = Pixels((48, 48), (0.0, 0.0, 0.0))


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(with_rectangle(SIZE, BOX)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("name", WAYS)
def test_every_view_shows_the_rectangle_where_its_window_says(name: str) -> None:
    """At 40 the JPEG is halved in its decoder, and 405 and 603 are odd."""
    part, looked_at = Part(["x"], np.zeros(1, np.int64), lambda i: jpeg()), 0
    for shown_as in Protocol(name, 32, (40, 64)).passes:
        image, whole = part.view(0, PIXELS, shown_as.scale)
        views = shown_as.views(torch.from_numpy(image)[None])[0].numpy()
        windows = shown_as.windows(whole)
        assert len(views) == len(windows) == shown_as.count
        for view, window in zip(views, windows, strict=True):
            assert (view.shape[:2], window.picture) == (window.size, SIZE)
            boxes = np.array([BOX], float)
            there = into_window(boxes, window)
            np.testing.assert_allclose(out_of_window(there, window), boxes, atol=1e-4)
            visible = clipped(there, window.size)
            if areas(visible)[0] > 20:
                found = found_in(view)
                assert found is not None
                np.testing.assert_allclose(visible[0], found, atol=0.3)
                looked_at += 1
    assert looked_at >= 2 * len(WAYS[name])


def net(name: str, crop: int) -> Network:
    return build(name, 4, width=0.125, crop=crop, pixels=PIXELS, initial="he").eval()


def seen_from(network: Network, originals: torch.Tensor, mirrored: bool) -> np.ndarray:
    """Which positions see something that is no number in pictures at half their size."""
    views = torch.nn.functional.avg_pool2d(originals, 2)
    scores = network.score_map(views.flip(3) if mirrored else views)
    return scores[:, 0].isnan().numpy()


@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize(("name", "crop"), [("A", 32), ("B-shallow", 70)])
@torch.no_grad()
def test_a_position_changes_with_the_pixels_of_the_original_that_its_window_has(
    name: str, crop: int, mirrored: bool
) -> None:
    """One original for each column, and for each row, shown at half the size.

    Neither side of a view is a whole number of steps, so that the net cuts it, and of an odd rest
    one pixel more at the end: in the mirror image that is at the beginning of the original.
    """
    network, size = net(name, crop), (2 * crop + 26, 2 * crop + 78)
    table, near = network.table, Locality.of(network.table, network.table.scores)
    view = Window.whole(size).rescaled((size[0] // 2, size[1] // 2))
    view = view.mirror() if mirrored else view
    rows, columns = (table.shown(side) for side in view.size)
    kept = rows.stop - rows.start, columns.stop - columns.start
    assert kept[0] < view.size[0]
    shown = view.cropped(rows.start, columns.start, kept).shown
    for axis, count in enumerate(size):
        originals = torch.zeros(count, 3, *size)
        originals.movedim(2 + axis, 1)[range(count), range(count)] = torch.nan
        changed = seen_from(network, originals, mirrored)
        assert changed.shape[2] > 1
        for row, column in np.ndindex(changed.shape[1:]):
            sight = sight_at_position(table, near, view, row, column).shown
            first, last = (
                max(sight[1 - axis], shown[1 - axis]),
                min(sight[3 - axis], shown[3 - axis]),
            )
            expected = [first < pixel + 0.5 < last for pixel in range(count)]
            assert changed[:, row, column].tolist() == expected


def test_positions_of_d_stand_for_crops_as_by_hand() -> None:
    """Of 300 pixels 288 are shown, from 6 on; of them the second crop of three begins 32 later.

    38 to 262: its middle is that of the picture. In the mirror it is the same, for 12 are cut
    evenly. Of 301 pixels the last is cut too, which in the mirror is the first.
    """
    table = vgg.table("D")
    view = Window.whole((300, 301))
    assert crop_at_position(table, view, 1, 1).shown == (38, 38, 262, 262)
    assert crop_at_position(table, view.mirror(), 1, 1).shown == (39, 38, 263, 262)
    assert crop_at_position(table, view, 0, 2).shown == (70, 6, 294, 230)
    assert crop_at_position(table, Window.whole((224, 224)), 0, 0) == Window.whole((224, 224))


@pytest.mark.parametrize("crop", [32, 64, 70])
def test_the_position_of_a_training_crop_stands_for_all_of_it(crop: int) -> None:
    """Of 70 pixels the pools leave the last six out, in each crop of a larger picture as well."""
    table = net("A", crop).table
    alone = Window.whole((crop, crop))
    assert crop_at_position(table, alone, 0, 0) == alone
    ends = crop_at_position(table, Window.whole((crop + 64, crop)), 2, 0)
    assert ends.shown == (0, 64, crop, crop + 64)


def test_what_a_position_sees_lies_about_the_crop_that_it_stands_for() -> None:
    """As much before as after for D, by hand: 404 pixels, 90 of them before its crop of 224."""
    table, view = vgg.table("D"), Window.whole((300, 300))
    window = sight_at_position(table, Locality.of(table, "fc8"), view, 1, 1)
    crop = crop_at_position(table, view, 1, 1)
    assert (window.size, crop.size) == ((404, 404), (224, 224))
    assert [s - c for s, c in zip(window.shown, crop.shown, strict=True)] == [-90, -90, 90, 90]
