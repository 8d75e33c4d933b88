"""Whether maps are to be believed: SciPy's rank correlation, plain loops, shares by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.conftest import objects
from tests.nets.others import RESNET_18, small
from verydeep import SILENT, open_dataset
from verydeep.engines.engine import engine_for
from verydeep.insight.sanity import curves, rank_correlation, share_inside, shuffled, stages
from verydeep.nets import layers, vgg
from verydeep.nets.network import Network, build
from verydeep.nets.rows import BatchNorm, Conv
from verydeep.pictures.preprocessing import Pixels
from verydeep.verbs.sanity import RANDOM, sanity

PIXELS = Pixels((40, 40), (120.4, 115.0, 110.0), (58.0, 58.0, 58.0))


def net() -> Network:
    return build("A", 10, width=0.0625, crop=32, fc=16, pixels=PIXELS, initial="he")


@pytest.mark.parametrize("levels", [3, 10**6])
def test_rank_correlation_is_scipys(levels: int) -> None:
    """With three levels most values are equal to others."""
    noise = np.random.default_rng(0)
    one, other = (noise.integers(0, levels, (20, 30)).astype(float) for _ in range(2))
    other += 0.3 * one
    expected = spearmanr(one.ravel(), other.ravel()).statistic
    assert rank_correlation(one, other) == pytest.approx(expected, abs=1e-12)
    assert rank_correlation(one, one) == pytest.approx(1)
    assert rank_correlation(one, np.ones_like(one)) == 0


def test_layers_are_shuffled_from_the_top_down_to_the_last() -> None:
    table = vgg.table("D")
    found = stages(table)
    assert [names[0] for names in found] == ["fc8"] * 6
    assert [len(names) for names in found] == [1, 4, 7, 10, 13, 16]
    assert found[1] == ("fc8", "fc7", "fc6", "conv5_3")
    assert set(found[-1]) == {row.name for row in table.rows if isinstance(row, Conv)}


def test_what_is_shuffled_has_the_same_numbers_elsewhere_and_the_rest_is_untouched() -> None:
    network = small(RESNET_18, 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for name, norm in network.named_modules():
        if isinstance(norm, layers.BatchNorm):  # of which numbers are alike in a new net
            before[f"{name}.weight"] += torch.arange(len(norm.weight))
    network.load_state_dict(before)
    chosen = stages(network.table, 3)[1]
    found = shuffled(network, chosen).state_dict()
    norms = {row.name for row in network.table.rows
             if isinstance(row, BatchNorm) and row.inputs[0] in chosen}  # fmt: skip
    assert norms
    for name, tensor in network.state_dict().items():
        assert tensor.equal(before[name])
        assert found[name].flatten().sort()[0].equal(tensor.flatten().sort()[0])
        moved = name.rpartition(".")[0] in {*chosen, *norms} and tensor.unique().numel() > 6
        assert found[name].equal(tensor) != moved, name
    again = shuffled(network, chosen).state_dict()
    other = shuffled(network, chosen, seed=1).state_dict()
    name = f"{chosen[0]}.weight"
    assert again[name].equal(found[name])
    assert not other[name].equal(found[name])


def test_a_share_inside_boxes_is_counted_once_by_middles_of_pixels() -> None:
    values = np.arange(12.0).reshape(3, 4)
    boxes = np.array([[1.0, 0.0, 3.0, 2.0], [2.0, 1.0, 4.0, 2.0], [-5.0, 2.6, 4.0, 9.0]])
    assert share_inside(values, boxes) == (1 + 2 + 5 + 6 + 7) / 66
    assert share_inside(np.ones((3, 4)), boxes) == 5 / 12
    assert share_inside(np.zeros((3, 4)), boxes) == 0


@pytest.mark.parametrize("engine", ["torch", "winograd"])
def test_deletion_and_insertion_are_plain_loops(engine: str) -> None:
    network, noise = net(), np.random.default_rng(0)
    image = noise.integers(0, 256, (40, 51, 3), dtype=np.uint8)
    values = noise.random((40, 51))
    found = curves(engine_for(network, engine), image, 3, values, steps=4)
    assert found.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    order = sorted(range(values.size), key=lambda i: -values.flat[i])
    grey = np.full_like(image, (120, 115, 110))
    for number in range(5):
        taken = order[: round(number * values.size / 4)]
        gone, come = image.reshape(-1, 3).copy(), grey.reshape(-1, 3).copy()
        gone[taken], come[taken] = grey.reshape(-1, 3)[taken], image.reshape(-1, 3)[taken]
        for shown, curve in ((gone, found.deletion), (come, found.insertion)):
            views = torch.from_numpy(shown.reshape(1, *image.shape))
            with torch.no_grad():
                expected = network.posteriors(network.pixels.normalise(views))[0, 3]
            assert curve[number] == pytest.approx(float(expected), rel=1e-3)
    means = (found.deletion[:-1] + found.deletion[1:]) / 2
    assert found.deleted == pytest.approx(float(means.mean()), rel=1e-6)


def test_drawn_pictures_tell_how_much_of_a_map_is_inside_their_boxes() -> None:
    """The area is that of the box at the scale that is shown, where the network sees it."""
    data = open_dataset("drawn:20x40")
    found = sanity(net(), data, "gradient,guided", 2, progress=SILENT)
    assert [one.explanation.name for one in found] == [
        data.by_role["test"].names[i] for i in (0, 9)
    ]
    for one, i in zip(found, (0, 9), strict=True):
        assert one.layers[-1] == "conv1_1"
        assert [*one.correlations] == ["gradient", "guided"]
        assert [len(r) for r in one.correlations.values()] == [len(one.layers)] * 2
        assert [*one.curves] == ["gradient", "guided", RANDOM]
        (box,) = objects(data.by_role["test"], i).boxes
        middles = np.arange(40) + 0.5  # shown as they are, and all but 4 pixels at each edge
        seen = (middles > 4) & (middles < 36)
        sides = [(seen & (middles > low) & (middles < high)).sum()
                 for low, high in ((box[0], box[2]), (box[1], box[3]))]  # fmt: skip
        assert one.area == pytest.approx(sides[0] * sides[1] / 32**2)
        assert one.inside is not None
        assert all(0 <= share <= 1 for pair in one.inside.values() for share in pair)
