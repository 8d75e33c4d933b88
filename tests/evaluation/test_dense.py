"""Where a network looks in a picture of any size, and pools that round up.

Cuts and windows were worked by hand; what a position sees is told by pixels that are no numbers,
which reach every value that sees them; pools that round up are PyTorch's, in `ceil_mode`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.engines.test_engines import there
from verydeep import save
from verydeep.commands.main import main
from verydeep.datasets import open_dataset
from verydeep.engines import trunk
from verydeep.engines.engine import ENGINES, engine_for
from verydeep.errors import UserError
from verydeep.evaluation.dense import in_tiles
from verydeep.evaluation.fusion import fuse
from verydeep.evaluation.scores import load_scores
from verydeep.nets import vgg
from verydeep.nets.layers import MaxPool
from verydeep.nets.locality import Locality
from verydeep.nets.network import Network, build
from verydeep.nets.rounding import pooled, pooling_up
from verydeep.nets.rows import FC, PICTURE, Conv
from verydeep.nets.rows import MaxPool as Pool
from verydeep.nets.table import Table
from verydeep.verbs.evaluate import evaluate

SIZE = (79, 102)
"""15 and 6 pixels more than whole windows of 32."""
MIDDLE = (slice(7, 71), slice(3, 99))


def net(name: str = "A", crop: int = 32) -> Network:
    """A small net with scores of about 1 that differ."""
    network = build(name, 5, width=0.125, crop=crop, fc=16, initial="he")
    with torch.no_grad():
        network.get_submodule("fc8").get_parameter("weight").div_(50)
    return network


def pictures(height: int, width: int, count: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8, generator=draw)


@pytest.fixture
def few_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small nets are run by Winograd too."""
    monkeypatch.setattr(trunk, "CHANNELS", 4)


# --- the cut


def test_what_fills_no_window_is_split_between_both_sides() -> None:
    """By hand: 250 = 224 + 26 and 287 = 256 + 31; 87 = 64 + 23."""
    whole = vgg.table("D")
    assert [whole.shown(side) for side in (100, 224, 225, 250, 256, 287)] == [
        slice(0, 100), slice(0, 224), slice(0, 224), slice(13, 237), slice(0, 256), slice(15, 271),
    ]  # fmt: skip
    assert vgg.table("A", crop=64).shown(87) == slice(11, 75)


@pytest.mark.parametrize("crop", [32, 63, 64, 70, 96, 150, 224])
def test_training_crops_are_shown_whole(crop: int) -> None:
    """A crop of 70 has 6 pixels that its pools leave out; its net was trained to do without."""
    assert vgg.table("A", crop=crop).shown(crop) == slice(0, crop)


def test_beyond_a_crop_that_fills_no_windows_the_rest_is_split() -> None:
    """Two positions of crops of 70 cover 102 pixels; of 110 there are 8 more."""
    table = vgg.table("A", crop=70)
    assert [table.shown(side) for side in (96, 101, 110)] == [
        slice(0, 96), slice(0, 101), slice(4, 106),
    ]  # fmt: skip


@pytest.mark.parametrize("crop", [32, 70])
def test_the_cut_costs_no_position(crop: int) -> None:
    """Each of five poolings halves a side; the FC rows take one position of so many."""
    table = vgg.table("A", crop=crop)
    for side in range(64, 140):
        _, rows, _ = table.shapes(side, 96)["fc8"]
        assert rows == side // 32 - crop // 32 + 1


def test_other_kernels_and_strides_have_their_own_cut() -> None:
    """AlexNet's beginning: a crop of 227 gives 55, 27 and 1 positions, which step by 8 pixels."""
    rows = (
        Conv("conv1", (PICTURE,), 11, 4, 0, 96),
        Pool("pool1", ("conv1",), 3, 2),
        FC("fc2", ("pool1",), 27, 1, 0, 10),
    )
    table = Table("A", (), 227, rows)
    assert (table.least, table.span, table.step) == (227, 227, 8)
    assert [table.shown(side) for side in (230, 235, 241)] == [
        slice(1, 228), slice(0, 235), slice(3, 238),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ENGINES)
@torch.inference_mode()
def test_every_engine_looks_at_the_middle(name: str, few_channels: None) -> None:
    there(name)
    engine, views = engine_for(net(), name), pictures(*SIZE)
    found = engine.score_map(views)
    assert found.shape[2:] == (2, 3)
    assert found.std() > 0.1
    torch.testing.assert_close(found, engine.score_map(views[:, *MIDDLE]), rtol=0, atol=1e-5)
    torch.testing.assert_close(in_tiles(engine, views, 1), found, rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_mirror_image_has_the_mirror_image_of_the_score_map() -> None:
    """For a network whose filters are their own mirror images, where the rest is even."""
    network = net()
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.copy_((weight + weight.flip(3)) / 2)
    images = torch.randn(1, 3, 70, 110, generator=torch.Generator().manual_seed(0))
    found = network.score_map(images)
    torch.testing.assert_close(network.score_map(images.flip(3)), found.flip(3))


# --- where a position looks


@pytest.mark.parametrize(("name", "crop"), [("A", 32), ("C", 64), ("B-shallow", 70)])
@torch.no_grad()
def test_a_position_sees_the_pixels_that_it_is_said_to_see(name: str, crop: int) -> None:
    """One picture for each column, whose pixels there are no numbers."""
    network, width = net(name, crop), 141
    images = torch.zeros(width, 3, crop, width)
    images[range(width), :, :, range(width)] = torch.nan
    sees = network.score_map(images)[:, 0, 0].isnan()
    near, shown = Locality.of(network.table, "fc8"), network.table.shown(width)
    assert sees.shape[1] > 1
    for place in range(sees.shape[1]):
        sight = near.sight(place, shown)
        seen = range(max(sight.first, shown.start), min(sight.end, shown.stop))
        assert sees[:, place].nonzero().flatten().tolist() == list(seen)


def test_a_position_of_d_looks_at_its_crop_and_90_pixels_about_it() -> None:
    """By hand: 404 = 212 + 6 x 32 pixels, 90 of them before the crop; of 300 pixels 12 are cut."""
    table = vgg.table("D")
    near = Locality.of(table, "fc8")
    sight = near.sight(0, table.shown(256))
    assert (sight.first, sight.end, sight.centre, sight.padding) == (-90, 314, 112.0, (90, 58))
    sight = near.sight(1, table.shown(300))
    assert (sight.first, sight.end, sight.centre, sight.padding) == (-52, 352, 150.0, (58, 58))


# --- pools that round up


@pytest.mark.parametrize("window", [(2, 2, 0), (3, 2, 0), (3, 2, 1), (1, 3, 0), (3, 3, 1)])
def test_a_pool_that_rounds_up_has_pytorchs_positions(window: tuple[int, int, int]) -> None:
    row, layer = Pool("pool", (PICTURE,), *window, up=True), MaxPool(*window, ceil_mode=True)
    for side in range(3, 15):
        values = torch.randn(1, 2, side, side + 1)
        expected = F.max_pool2d(values, *window, ceil_mode=True)
        assert row.output((2, side, side + 1)) == expected.shape[1:]
        assert torch.equal(layer(values), expected)


def test_the_last_window_of_a_pool_that_rounds_up_begins_inside() -> None:
    """By hand; of three values by twos the third is alone."""
    values = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert MaxPool(2, 2, ceil_mode=True)(values).tolist() == [[[[2.0, 3.0]]]]
    assert [Pool("p", (), 2, 2, up=True).positions(n) for n in (0, 1, 2, 3, 4)] == [0, 1, 1, 2, 2]


def by_caffes_rules(network: Network, views: Tensor) -> Tensor:
    """Score maps, layer by layer."""
    values = network.pixels.normalise(views)
    for row in network.table.rows[:-1]:
        if isinstance(row, Pool):
            values = F.max_pool2d(values, 2, 2, ceil_mode=True)
        else:
            values = network.get_submodule(row.name)(values)
    return values


@pytest.mark.parametrize("name", ENGINES)
@torch.inference_mode()
def test_every_engine_pools_up_where_it_is_asked_to(name: str, few_channels: None) -> None:
    there(name)
    network, views = net(), pictures(*SIZE, count=2)
    expected = by_caffes_rules(network, views)
    assert expected.shape[2:] == (3, 4)
    engine = engine_for(pooling_up(network), name)
    torch.testing.assert_close(engine.score_map(views), expected, rtol=0, atol=1e-4)
    tiled = in_tiles(engine, views[:1], 1)
    torch.testing.assert_close(tiled, expected[:1], rtol=0, atol=1e-4)


def test_a_crop_whose_map_would_be_another_is_refused() -> None:
    with pytest.raises(UserError, match="3 positions a side of a crop of 70 where .* with 2;"):
        pooling_up(net(crop=70))
    with pytest.raises(UserError, match="no pooling 'ceil'; there are down and up"):
        pooled(net(), "ceil")


def test_a_test_says_how_its_pools_rounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = build("A", open_dataset("drawn").classes, width=0.125, crop=32, fc=16)
    save(network, tmp_path / "w.safetensors")
    how = {"scales": 47, "part_name": "test"}
    usual = evaluate(tmp_path / "w.safetensors", "drawn:60", **how)  # type: ignore[arg-type]
    words = ["verydeep", "evaluate", str(tmp_path / "w.safetensors"), "drawn:60", "--scales", "47"]
    monkeypatch.setattr("sys.argv", [*words, "--part", "test", "--pooling", "up"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().out
    assert "dense, with mirror image, Q = 47, pooling up" in said
    (path,) = (p for p in (tmp_path / "scores").iterdir() if p != usual.path)
    up = load_scores(path)
    assert (usual.scores.pooling, up.pooling) == ("down", "up")
    assert "-up-" in path.name
    assert not (up.posteriors == usual.scores.posteriors).all()
    assert fuse([usual.scores, up]).pooling == "down and up"
