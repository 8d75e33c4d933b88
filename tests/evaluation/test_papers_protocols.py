"""Protocols of the papers beside VGG's: counts and places by hand, from their own words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import TWO_CORES
from verydeep.errors import UserError
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.views import Pass, Protocol, protocol
from verydeep.nets.network import Network, build
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.windows import Window


def shown(way: str, crop: int, scale: int, size: tuple[int, int]) -> list[Window]:
    """The windows of the views of a picture of that size, which has that scale already."""
    return Pass(way, crop, scale).windows(Window.whole(size))


def boxes(windows: list[Window], mirrored: bool = False) -> list[tuple[float, ...]]:
    return [window.shown for window in windows if window.mirrored == mirrored]


def test_alexnets_ten_crops_are_of_the_middle_square() -> None:
    """ "five 224 x 224 patches (the four corner patches and the center patch) as well as their
    horizontal reflections", of the central 256 x 256: in 256 x 384 that begins at 64, and its last
    crop 32 later."""
    windows = shown("square", 224, 256, (256, 384))
    corners = [(64, 0), (96, 0), (64, 32), (96, 32), (80, 16)]  # x, y
    expected = [(x, y, x + 224, y + 224) for x, y in corners]
    assert boxes(windows) == boxes(windows, mirrored=True) == expected
    assert Pass("square", 224, 256).count == len(windows) == 10
    high = shown("square", 224, 256, (384, 256))
    assert boxes(high)[0] == (0, 64, 224, 288)


def test_googlenets_144_crops_are_36_of_each_of_four_scales() -> None:
    """ "4 scales where the shorter dimension is 256, 288, 320 and 352 [...] left, center and right
    square [...] 4 corners and the center 224 x 224 crop as well as the square resized to 224 x 224,
    and their mirrored versions. This leads to 4 x 3 x 6 x 2 = 144 crops"."""
    network = build("GoogLeNet", classes=4, width=0.125)
    passes = protocol(network, "googlenet").passes
    assert [(p.crop, p.scale, p.count) for p in passes] == [
        (224, 256, 36), (224, 288, 36), (224, 320, 36), (224, 352, 36),
    ]  # fmt: skip
    assert sum(p.count for p in passes) == 144
    windows = shown("squares", 224, 288, (288, 400))
    found = boxes(windows)
    np.testing.assert_allclose(found, boxes(windows, mirrored=True), atol=1e-9)
    for number, left in enumerate((0, 56, 112)):
        corners = [(left, 0), (left + 64, 0), (left, 64), (left + 64, 64), (left + 32, 32)]
        square = found[6 * number : 6 * number + 6]
        assert square[:5] == [(x, y, x + 224, y + 224) for x, y in corners]
        assert square[5] == pytest.approx((left, 0, left + 288, 288))
    assert {window.size for window in windows} == {(224, 224)}
    assert Counter(round(window.scale[0], 6) for window in windows) == {
        1.0: 30, round(224 / 288, 6): 6,
    }  # fmt: skip
    assert boxes(shown("squares", 224, 288, (400, 288)))[17] == pytest.approx((0, 112, 288, 400))


def test_the_whole_square_is_resized_with_all_of_its_pixels() -> None:
    images = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    images[:, ::2] = 200  # every other row: their mean is 100
    views = Pass("squares", 4, 8).views(images)[0]
    assert views.shape == (36, 4, 4, 3)
    assert views.dtype == torch.uint8
    assert abs(views[5][1:3].float().mean() - 100) < 15
    assert torch.equal(views[18 + 5], views[5].flip(1))


def test_overfeats_fine_stride_is_a_third_of_36_pixels_both_ways() -> None:
    """Its table: 36 pixels between places, 12 with the three offsets of the last pool each way. The
    accurate net of crop 221 has one place in 221, two in 257, so that at 245 there are 3 x 3."""
    network = build("OverFeat-accurate", classes=4, width=0.0625)
    table, chosen = network.table, protocol(network, "overfeat")
    assert table.step == 36
    assert chosen.scales == (245, 281, 389, 461)
    windows = shown("fine", 221, 245, (245, 245))
    assert len(windows) == Pass("fine", 221, 245).count == 18
    expected = [(x, y, x + 221, y + 221) for y in (0, 12, 24) for x in (0, 12, 24)]
    assert boxes(windows) == expected
    maps = [table.shapes(h, w)[table.scores][1:] for h, w in [(221, 221), (257, 221)]]
    assert maps == [(1, 1), (2, 1)]
    with pytest.raises(UserError, match="leaves no crop of 221 once it is shifted by 24 pixels"):
        protocol(network, "overfeat", 244)


def test_resnets_dense_test_is_at_the_five_sides_of_its_table() -> None:
    """ "fully-convolutional form [...] average the scores at multiple scales (images are resized
    such that the shorter side is in {224, 256, 384, 480, 640})"."""
    network = build("ResNet-18", classes=4, width=0.125)
    chosen = protocol(network, "resnet")
    assert chosen.scales == (224, 256, 384, 480, 640)
    assert {p.way for p in chosen.passes} == {"whole"}
    assert protocol(network, "resnet", "256,384").scales == (256, 384)
    small = build("ResNet-18", classes=4, width=0.125, crop=64)
    assert protocol(small, "resnet").scales == (64, 96, 224, 320, 480)  # as far above the crop


@pytest.mark.parametrize("name", ["resnet", "overfeat"])
def test_a_net_of_one_map_is_not_tested_by_whole_pictures(name: str) -> None:
    network = build("DeepFace", classes=4, width=0.0625)
    with pytest.raises(UserError, match="cannot be laid over whole pictures: its 'local"):
        protocol(network, name)
    assert protocol(network, "googlenet").name == "googlenet"


def plainly(net: Network, picture: np.ndarray, windows: list[Window]) -> np.ndarray:
    """The mean posterior of views that are crops of the picture as it is, one at a time."""
    found = []
    for window in windows:
        left, top, right, bottom = (round(side) for side in window.shown)
        view = picture[top:bottom, left:right]
        view = view[:, ::-1] if window.mirrored else view
        batch = torch.from_numpy(np.ascontiguousarray(view))[None]
        with torch.inference_mode():
            scores = net.score_map(net.pixels.normalise(batch)).mean((2, 3))
            found.append(scores.softmax(1)[0].numpy())
    return np.asarray(np.mean(found, 0))


@pytest.mark.parametrize("name", ["alexnet", "overfeat"])
def test_posteriors_are_the_mean_over_the_views_one_by_one(name: str) -> None:
    pixels = Pixels((80, 80), (120.0, 115.0, 100.0), (50.0,) * 3)
    net = build("A", classes=4, width=0.0625, crop=32, pixels=pixels, initial="he").eval()
    picture = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    part = Part(["a"], np.array([0]), lambda i: picture)
    chosen = Protocol(name, 32, (80,))
    (found,) = posteriors(net, part, chosen, TWO_CORES)
    (shown_as,) = chosen.passes
    expected = plainly(net, picture, shown_as.windows(Window.whole((80, 100))))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_evaluate_takes_them_by_name(tmp_path: Path) -> None:
    from verydeep.evaluation.scores import load_scores
    from verydeep.verbs.evaluate import evaluate
    from verydeep.verbs.train import train

    run = train(
        "drawn:20x48", tmp_path / "run", TWO_CORES, net="A-BN", width=0.0625, crop=32, epochs=1,
        bad_start="train",
    )  # fmt: skip
    for name, scales in (("alexnet", (40,)), ("googlenet", (64, 96, 128, 160))):
        tested = evaluate(run.folder, "drawn:20x48", name, runtime=TWO_CORES)
        assert tested.scores.protocol.scales == scales
        assert tested.scores.protocol.name == name
        assert tested.path is not None
        assert str(load_scores(tested.path).protocol) == str(tested.scores.protocol)
