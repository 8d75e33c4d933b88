"""Layers that the authors trained, on real pictures: the first five of E, as a net that ends there.

Their filters were rescaled so that each channel's mean over ILSVRC pictures is about 1, as work on
style does; medians over channels of 0.8 to 1.0 are known beforehand. Measured on 40 pictures:

                                         median over channels   relu1_1: share in 0.7 to 1.3
                                         relu1_1 ... relu3_1
    pixels as the layers want them   0.94 1.00 0.98 0.96 0.95   0.98
    no mean subtracted               0.81 1.08 1.27 1.16 1.18   0.38
    RGB, the mean left as it is      1.06 1.03 1.03 1.03 0.99   0.50
    BGR, the mean turned round       1.01 1.05 1.01 0.98 0.97   0.45
    RGB, and the mean turned round   0.99 1.00 0.98 0.97 0.96   0.98

So 1.0 is met to a hundredth; a wrong mean shows in both columns, a wrong order of colours in single
channels alone. Where order and mean are turned round together neither column shows it: of 300
pictures the deviation of log means is 0.101 and not 0.080, and even that could be chance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.conftest import real_pictures
from verydeep.importers.parameters import Parameters
from verydeep.importers.to_network import to_network
from verydeep.nets.network import Network
from verydeep.pictures.preprocessing import Pixels, centre_crop

MEAN = (103.939, 116.779, 123.68)
PIXELS = Pixels((224, 224), MEAN, order="BGR")
ROWS = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1")
PICTURES = 16
WRONG = {
    "no mean": replace(PIXELS, mean=(0.0, 0.0, 0.0)),
    "RGB": replace(PIXELS, order="RGB"),
    "mean turned round": replace(PIXELS, mean=MEAN[::-1]),
}


@pytest.fixture(scope="module")
def network() -> Network:
    path = real_pictures("weights") / "vgg19_normalised_conv1_1_to_conv3_1.npz"
    arrays = np.load(path)
    tensors = {name: arrays[name] for name in arrays.files}
    return to_network(Parameters("npz", tensors, PIXELS), path).network


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    paths = sorted(real_pictures("ilsvrc_samples224").glob("*.jpg"))
    some = paths[:: len(paths) // PICTURES][:PICTURES]
    return torch.from_numpy(np.stack([centre_crop(PIXELS.read(p, 224), 224) for p in some]))


@torch.inference_mode()
def means(
    network: Network, pictures: torch.Tensor, pixels: Pixels, rows: tuple[str, ...]
) -> dict[str, torch.Tensor]:
    """Each row's mean activation by channel, over all pictures and places."""
    total = {row: torch.zeros(()) for row in rows}
    for picture in pictures:
        found = network.activations(pixels.normalise(picture[None]), rows)
        total = {row: total[row] + found[row].mean((0, 2, 3)) for row in rows}
    return {row: total[row] / len(pictures) for row in rows}


def share_near_one(network: Network, pictures: torch.Tensor, pixels: Pixels) -> float:
    """Share of relu1_1's channels whose mean lies in 0.7 to 1.3."""
    found = means(network, pictures, pixels, ("relu1_1",))["relu1_1"]
    return ((found > 0.7) & (found < 1.3)).float().mean().item()


def test_the_beginning_of_e_is_a_net(network: Network) -> None:
    assert (network.table.name, network.table.rows[-1].name) == ("E", "relu3_1")
    assert network.classes == ()


def test_real_layers_have_the_activations_that_are_known(
    network: Network, pictures: torch.Tensor
) -> None:
    found = means(network, pictures, PIXELS, ROWS)
    for row in ROWS:
        assert 0.8 <= found[row].median().item() <= 1.02, row
    assert share_near_one(network, pictures, PIXELS) > 0.9


def test_a_wrong_mean_leaves_the_known_range(network: Network, pictures: torch.Tensor) -> None:
    found = means(network, pictures, WRONG["no mean"], ("relu2_1",))
    assert found["relu2_1"].median().item() > 1.1


@pytest.mark.parametrize("wrong", list(WRONG))
def test_wrong_pixels_show_in_single_channels(
    network: Network, pictures: torch.Tensor, wrong: str
) -> None:
    assert share_near_one(network, pictures, WRONG[wrong]) < 0.7
