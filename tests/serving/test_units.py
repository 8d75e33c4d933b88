"""Units beside a picture: their maps as the network gives them, and the patches of their file."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.localisation.test_predictor import always
from tests.serving.at_work import Running, model_of, net, picture, running, units_file
from tests.serving.test_app import fits, refused
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.report.units import plates, scale_of
from verydeep.report.units_file import KINDS, NAME, KnownUnits, load_units, save_units
from verydeep.serving.units import known_units
from verydeep.verbs.units import units
from verydeep.weights import load

ROWS = ("relu1_1", "relu3_1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return units_file(net(), tmp_path_factory.mktemp("units"), ROWS)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    model = model_of(net(), folder)
    with running(model, known=known_units(folder, model)) as found:
        yield found


def grey_of(told: Any) -> Any:
    return np.asarray(Image.open(BytesIO(base64.b64decode(told["map"]["png"]))))


def test_a_file_of_units_says_what_was_found(folder: Path) -> None:
    found = units(net(), ROWS, open_dataset("drawn:10x40"), count=5)
    known = load_units(folder / NAME)
    assert (known.pictures, [*known.rows]) == (found.pictures, [*ROWS])
    for name, row in found.rows.items():
        assert known.rows[name].units == len(row.strongest.dead)
        assert [*known.rows[name].known] == [unit.number for unit in row.units]
        for unit in row.units:
            kept = known.rows[name].known[unit.number]
            assert (kept.values, kept.classes) == (unit.values, unit.classes)
            expected = plates(unit, scale_of(row.units))
            for plate, own in zip(kept.plates, expected, strict=True):
                assert (plate[: len(own)] == own).all()


def test_maps_are_what_the_row_gives_the_most_excited_first(server: Running, folder: Path) -> None:
    reply = server.ask("/units?layer=relu3_1", picture(40, 56, seed=4))
    fits(server, "/units", 200, reply.data)
    network = load(folder / "net.safetensors")
    values = network.activations(network.preprocess(picture(40, 56, seed=4)), ["relu3_1"])
    maps = values["relu3_1"][0].detach().numpy()
    told, known = reply.data["units"], load_units(folder / NAME).rows["relu3_1"].known
    assert {one["unit"] for one in told} == {*known}
    largest = [one["largest"] for one in told]
    assert largest == sorted(largest, reverse=True)
    assert reply.data["largest"] == largest[0]
    for one in told:
        own = maps[one["unit"]]
        # between positions values are linear, so that the largest may lie just beside a pixel
        assert one["largest"] == pytest.approx(float(own.max()), rel=0.15)
        assert one["largest"] <= float(own.max()) * (1 + 1e-5)
    first, own = grey_of(told[0]), maps[told[0]["unit"]]
    peak, place = (np.unravel_index(each.argmax(), each.shape) for each in (first, own))
    each = zip(peak, first.shape, place, own.shape, strict=True)
    assert all(abs((p + 0.5) / n - (q + 0.5) / m) < 1 / m for p, n, q, m in each)


def test_maps_are_small_and_keep_what_is_largest(folder: Path) -> None:
    """A picture of 40 x 320 is shown at that size; 320 positions come to 128."""
    model = model_of(net(), folder)
    with running(model, known=known_units(folder, model)) as server:
        reply = server.ask("/units?layer=relu1_1", picture(40, 320, seed=1))
        assert reply.status == 200, reply
        told = reply.data
        assert (told["units"][0]["map"]["width"], told["units"][0]["map"]["height"]) == (128, 16)
        assert grey_of(told["units"][0]).max() == 255


def test_patches_are_those_of_the_file(server: Running, folder: Path) -> None:
    for number, unit in load_units(folder / NAME).rows["relu3_1"].known.items():
        for kind, expected in zip(KINDS, unit.plates, strict=True):
            reply = server.ask(f"/patches?layer=relu3_1&unit={number}&kind={kind}")
            assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
            assert (np.asarray(Image.open(BytesIO(reply.body))) == expected).all()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/patches", 404),
        ("/patches?layer=relu3_1", 404),
        ("/patches?layer=relu3_1&unit=9999", 404),
        ("/patches?layer=relu9&unit=0", 404),
        ("/patches?layer=relu3_1&unit=-1", 400),
        ("/patches?layer=relu3_1&unit=x", 400),
        ("/patches?layer=../relu3_1&unit=0", 404),
    ],
)
def test_patches_of_no_unit_are_refused(server: Running, path: str, status: int) -> None:
    reply = server.ask(path)
    assert reply.status == status
    fits(server, "/patches", status, reply.data)


def test_a_kind_of_patches_that_there_is_not_is_refused(server: Running, folder: Path) -> None:
    number = next(iter(load_units(folder / NAME).rows["relu3_1"].known))
    reply = server.ask(f"/patches?layer=relu3_1&unit={number}&kind=names")
    assert (reply.status, "there are patches, projections" in reply.data["detail"]) == (400, True)


@pytest.mark.parametrize("query", ["", "?layer=", "?layer=relu2_1", "?layer=data"])
def test_layers_that_are_not_known_are_told_from_those_that_are(
    server: Running, query: str
) -> None:
    said = refused(server, f"/units{query}".partition("?")[0], 400, body=picture())
    assert "there are relu1_1, relu3_1" in said
    assert server.ask(f"/units{query}", picture()).status == 400


def test_names_of_pictures_are_not_told(server: Running) -> None:
    name = open_dataset("drawn:10x40").parts["test"].names[0]
    assert name not in server.ask("/units?layer=relu3_1", picture()).body.decode()
    assert name.encode() not in (server.ask("/").body)


def test_without_units_there_are_none(folder: Path) -> None:
    with running(model_of(net(), folder)) as server:
        assert "no units" in refused(server, "/units", 404, body=picture())
        assert server.ask("/patches?layer=relu3_1&unit=0").status == 404
        assert 'data-layers="[]"' in server.ask("/").body.decode()


def test_units_of_other_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has units of other weights"):
        known_units(folder, model_of(net(seed=1), tmp_path))
    with pytest.raises(UserError, match="no units in none; make them: verydeep explain"):
        known_units(Path("none"), model_of(net(), tmp_path))
    points = model_of(always([0.5, 0.5, 0.25, 1.0], "points", ("eye", "nose")), tmp_path)
    with pytest.raises(UserError, match="has no maps"):
        known_units(folder, points)


def test_a_damaged_file_is_refused(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / NAME).read_bytes())
    for at in range(0, len(data), len(data) // 40):
        damaged = bytearray(data)
        damaged[at] ^= 4
        (tmp_path / NAME).write_bytes(damaged)
        with pytest.raises(UserError):
            load_units(tmp_path / NAME)


def test_dead_units_and_rows_without_any_are_kept(tmp_path: Path) -> None:
    network = net()
    network.get_submodule("conv1_1").get_parameter("weight").data.zero_()
    dataset = open_dataset("drawn:10x40")
    save_units(units(network, "relu1_1", dataset, numbers=[3]), tmp_path / NAME)
    known: KnownUnits = load_units(tmp_path / NAME)
    assert known.rows["relu1_1"].known[3].values == ()
    save_units(units(network, "relu1_1", dataset), tmp_path / NAME)
    assert load_units(tmp_path / NAME).rows["relu1_1"].known == {}
    model = model_of(network, tmp_path)
    with running(model, known=known_units(tmp_path, model)) as server:
        assert server.ask("/units?layer=relu1_1", picture()).data["units"] == []
