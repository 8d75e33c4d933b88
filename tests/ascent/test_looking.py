"""Pictures as floats in front of a network: held against what networks are shown of bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.insight.nets import exact
from verydeep.ascent.looking import (
    AVERAGES,
    fits,
    from_picture,
    mean_colour,
    resized,
    seen,
    slope,
    to_network,
    to_picture,
)
from verydeep.importers.parameters import AUTHORS, TORCHVISION
from verydeep.nets.network import build
from verydeep.pictures.preprocessing import IMAGENET, Pixels

BYTES = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)


@pytest.mark.parametrize("pixels", [IMAGENET, AUTHORS, TORCHVISION])
def test_a_picture_of_floats_is_in_the_pixels_that_one_of_bytes_is_in(pixels: Pixels) -> None:
    network = build("A", 3, width=0.0625, crop=32, fc=8, pixels=pixels)
    expected = pixels.normalise(torch.from_numpy(BYTES)[None])
    given = from_picture(BYTES, network)
    torch.testing.assert_close(to_network(pixels, given), expected, rtol=1e-4, atol=1e-5)
    assert np.array_equal(to_picture(given), BYTES)
    ground = mean_colour(pixels).expand(1, 3, 2, 2)
    assert float(to_network(pixels, ground).abs().max()) < 1e-4


def test_rows_see_all_of_a_picture_to_its_edges() -> None:
    """`Table.shown` cuts two pixels off at each edge of 44 x 52; here each has a slope."""
    network = exact()
    image = np.random.default_rng(1).integers(0, 256, (44, 52, 3), dtype=np.uint8)
    assert network.table.shown(44) == slice(2, 42)
    _, gradient = slope(from_picture(image, network),
                        lambda x: seen(network, x, ["conv2_2"])["conv2_2"].sum())  # fmt: skip
    assert bool(gradient.any(dim=1)[0].all())


def test_averages_stand_in_place_of_the_largest_values() -> None:
    """By hand, from the row before: means of 2 x 2."""
    network = exact()
    found = seen(network, from_picture(BYTES, network), ["relu1_2", "pool1"], AVERAGES)
    before = found["relu1_2"].reshape(1, 6, 20, 2, 24, 2)
    torch.testing.assert_close(found["pool1"], before.mean((3, 5)))


def test_a_picture_made_small_and_large_again_keeps_its_mean() -> None:
    image = from_picture(BYTES, exact())
    small = resized(image, (20, 24))
    torch.testing.assert_close(small.mean(), image.mean(), rtol=0.01, atol=0)
    assert resized(small, (40, 48)).shape == image.shape


def test_layers_fit_a_smaller_picture_than_scores_do() -> None:
    table = build("D", 3, width=0.0625, crop=64).table
    assert fits(table, ["relu4_3"], (24, 24))
    assert not fits(table, ["scores"], (24, 24))
