"""What units like, by a plain loop; projections of parts of pictures against those of wholes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from verydeep import SILENT, UserError, open_dataset, units
from verydeep.insight.signals import DECONVNET, frozen, of_value, signal
from verydeep.insight.units import first_filters, projected, seen, strongest
from verydeep.insight.view import View, per_grey_level
from verydeep.nets.network import Network, build
from verydeep.nets.rows import PICTURE
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels

PIXELS = Pixels((40, 40), (120.0, 115.0, 110.0), (58.0, 58.0, 58.0))


def net(order: str = "RGB") -> Network:
    pixels = Pixels(PIXELS.scale, PIXELS.mean, PIXELS.std, order)  # type: ignore[arg-type]
    return build("A", 3, width=0.125, crop=32, fc=16, pixels=pixels, initial="he")


def pictures() -> Part:
    """Thirty pictures of noise of several sizes, of which the fifth cannot be read."""
    noise = np.random.default_rng(0)
    sizes = [(40, 40 + 8 * (i % 3)) for i in range(30)]
    given = [noise.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    return Part([str(i) for i in range(30)], None, lambda i: b"no" if i == 4 else given[i])


def test_they_are_those_of_a_plain_loop_one_place_of_a_picture() -> None:
    network, part = frozen(net()), pictures()
    network.conv2_1.bias[3] = -1e6  # type: ignore[operator, union-attr]
    for name in ("weight", "bias"):
        tensor = network.conv2_1.get_parameter(name)  # type: ignore[union-attr]
        tensor[7] = 2 * tensor[5]
    found, faults = strongest(network, part, ["relu1_1", "relu2_1", "fc7"], kept=4)
    assert len(faults) == 1
    for row, each in found.items():
        best: list[list[tuple[float, int, tuple[int, int]]]] = []
        for i in range(30):
            if i == 4:
                continue
            maps = network.run({PICTURE: View.of_part(network, part, i).images()}, [row])[row][0]
            for unit, one in enumerate(maps.numpy()):
                best += [[]] if unit == len(best) else []
                place = np.unravel_index(one.argmax(), one.shape)
                best[unit].append((float(one.max()), i, (int(place[0]), int(place[1]))))
        assert len(each.dead) == len(best)
        for unit, values in enumerate(best):
            top = sorted(values, key=lambda v: (-v[0], v[1]))[:4]
            assert each.values[unit].tolist() == pytest.approx([v for v, _, _ in top], rel=1e-5)
            alive = [v for v in top if v[0] > 0]
            assert each.dead[unit] == (not alive)
            assert each.pictures[unit].tolist() == [i for _, i, _ in alive] + [-1] * (
                4 - len(alive)
            )
            assert each.places[unit].tolist()[: len(alive)] == [list(p) for _, _, p in alive]
    assert found["relu2_1"].dead[3]
    assert (5, 7) in found["relu2_1"].duplicates


CASES = [
    ("relu1_1", (0, 5)), ("relu2_1", (9, 30)), ("pool3", (1, 7)), ("relu4_2", (3, 0)),
    ("fc6", (0, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("row", "place"), CASES)
def test_a_projection_of_a_part_is_that_of_the_whole(row: str, place: tuple[int, int]) -> None:
    network = frozen(net())
    view = View.of(network, np.random.default_rng(1).integers(0, 256, (40, 77, 3), dtype=np.uint8))
    maps = network.run({PICTURE: view.images()}, [row])[row][0]
    unit = int(maps[:, place[0], place[1]].argmax())
    assert maps[unit, place[0], place[1]] > 0
    expected = signal(network, view.images(), row, of_value(unit, place), DECONVNET)[0]
    found = projected(view, row, unit, place)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6 * float(expected.abs().max()))
    look = seen(view, row, unit, place)
    whole = view.of_pixels(per_grey_level(expected, PIXELS))
    assert np.abs(look.projection).sum() == pytest.approx(float(np.abs(whole).sum()), rel=1e-4)


def test_a_patch_is_what_the_value_sees_and_grey_beyond_the_picture() -> None:
    """A value of relu2_1 sees 8 pixels, from 3 before its own two on (worked out by hand)."""
    network = frozen(net())
    view = View.of(network, np.random.default_rng(1).integers(0, 256, (40, 77, 3), dtype=np.uint8))
    assert [part.start for part in view.shown] == [4, 6]
    look = seen(view, "relu2_1", 0, (3, 4))
    top, left = 4 + 2 * 3 - 3, 6 + 2 * 4 - 3
    assert look.patch.shape == (8, 8, 3)
    assert np.array_equal(look.patch, view.image[top : top + 8, left : left + 8])
    assert [*look.box] == [left, top, left + 8, top + 8]
    larger = View.of(network, view.image.repeat(2, 0).repeat(2, 1))  # shown at half its size
    assert seen(larger, "relu2_1", 0, (3, 4)).box == pytest.approx([2 * side for side in look.box])
    edge = seen(view, "relu3_2", 0, (0, 0))
    assert [*edge.box[:2]] == [0, 0]
    field = network.table.reaches["relu3_2"].field
    before = network.table.reaches["relu3_2"].before - 4
    assert edge.patch.shape == (field, field, 3)
    assert (edge.patch[:before] == 128).all()
    assert np.array_equal(edge.patch[before, before - 2 :], view.image[0, : field - before + 2])


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_first_filters_are_in_rgb_each_by_its_own_range(order: str) -> None:
    network = net(order)
    found = first_filters(network)
    assert found is not None
    weights = network.conv1_1.get_parameter("weight").detach()  # type: ignore[union-attr]
    assert found.shape == (8, 3, 3, 3)
    for one, own in zip(found, weights.numpy(), strict=True):
        shares = own / np.abs(own).max()
        expected = 127.5 + 127.5 * (shares if order == "RGB" else shares[::-1])
        np.testing.assert_allclose(one.transpose(2, 0, 1), expected, atol=0.51)
    assert first_filters(build("A", 3, width=0.125, crop=32, pixels=PIXELS)) is not None


def test_units_of_labelled_data_are_told_with_their_classes() -> None:
    data = open_dataset("drawn:10x40")
    found = units(net(), ["relu2_1", "relu2_1"], data, count=3, kept=2, progress=SILENT)
    assert list(found.rows) == ["relu2_1"]
    assert (found.pictures, found.where) == (10, "drawn:10x40, test")
    row = found.rows["relu2_1"]
    assert len(row.units) == 3
    part = data.by_role["test"]
    for unit in row.units:
        assert unit.values == tuple(sorted(unit.values, reverse=True))
        assert all(name in part.names for name in unit.pictures)
        assert [name.split("/")[1] for name in unit.pictures] == [*unit.classes]
        assert len(unit.looks) == len(unit.pictures) == 2
    (own,) = units(net(), "relu2_1", data, numbers=[4, 4], progress=SILENT).rows["relu2_1"].units
    assert own.number == 4


def test_rows_and_units_that_are_none_are_refused() -> None:
    with pytest.raises(UserError, match="no layer 'relu2' in configuration A; did you mean"):
        units(net(), "relu2", "drawn:10x40", progress=SILENT)
    with pytest.raises(UserError, match="no unit 16 of 'relu2_1'; they are numbered from 0 to 15"):
        units(net(), "relu2_1", "drawn:10x40", numbers=[16], progress=SILENT)
    for count in (0, -3):
        with pytest.raises(UserError, match=f"--count {count}; show 1 unit of a row or more"):
            units(net(), "relu2_1", "drawn:10x40", count=count, progress=SILENT)


def test_a_unit_behind_a_row_of_one_maps_places_is_projected_through_the_whole_view() -> None:
    network = frozen(build("deepface", 3, width=0.0625, crop=104, initial="he"))
    image = np.random.default_rng(0).integers(0, 256, (120, 130, 3), np.uint8)
    found = projected(View.of(network, image), "relu2_4", 0, (1, 1))
    assert found.shape == (3, 104, 104)
