"""Which nets are refused because they would stay at chance, and which are not.

The paper (Sect. 3.1): A learns from random weights of a normal distribution, deeper nets stall and
are begun with layers of A, and Glorot's weights make that unnecessary; He's were made for such
nets. Homogeneity is by hand: without biases all layers are, so to halve the weights of one halves
the gradients of all others, as long as posteriors hardly move.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import TWO_CORES
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.nets.network import build
from verydeep.pictures.preprocessing import Pixels
from verydeep.training.liveness import mean_of, refuse_dead, strengths
from verydeep.training.loader import CropSource
from verydeep.training.settings import Settings
from verydeep.verbs.train import train

MEAN = (120.0, 115.0, 110.0)
CROP, NARROW = 32, 0.125
SMALL: dict[str, Any] = {
    "net": "D", "width": NARROW, "crop": CROP, "fc": 16, "batch": 10, "epochs": 1,
}  # fmt: skip


def source_of(divide: bool) -> CropSource:
    std = (58.0,) * 3 if divide else (1.0,) * 3
    return CropSource(open_dataset("drawn:40x48").train, Pixels((48, 48), MEAN, std))


def asked(net: str, initial: str, divide: bool, **given: Any) -> None:
    """What a narrow net is told when it is to be trained."""
    settings = Settings(
        net=net, width=NARROW, crop=CROP, scale=(48, 48), batch=32, initial=initial, divide=divide,
        **given,
    )  # fmt: skip
    network = build(net, 10, width=NARROW, crop=CROP, initial=initial)
    refuse_dead(network, source_of(divide), settings)


@pytest.mark.parametrize("net", ["A", "A-LRN", "B", "B-shallow", "C", "D", "E"])
def test_nets_learn_from_hes_weights_with_pixels_divided_and_from_glorots_without(net: str) -> None:
    asked(net, "he", divide=True)
    asked(net, "glorot", divide=False)


def test_a_learns_from_the_papers_gaussian_with_the_papers_pixels_alone() -> None:
    """With the gains that it has in the whole net."""
    asked("A", "whole-gaussian:0.01", divide=False)
    with pytest.raises(UserError, match="A would not learn from 'whole-gaussian:0.01'"):
        asked("A", "whole-gaussian:0.01", divide=True)


@pytest.mark.parametrize("net", ["B", "C", "D", "E"])
def test_deeper_nets_do_not_learn_from_the_papers_gaussian(net: str) -> None:
    with pytest.raises(UserError, match=f"{net} would not learn .* --from WEIGHTS of a net that"):
        asked(net, "whole-gaussian:0.01", divide=False)


@pytest.mark.parametrize("net", ["A", "D"])
def test_narrow_nets_do_not_learn_from_a_gaussian_meant_for_whole_ones(net: str) -> None:
    line = r"gradient is \S+ times the decay in (conv|fc)\d\S* and .* or --set initial=glorot; "
    with pytest.raises(UserError, match=line):
        asked(net, "gaussian:0.01", divide=False)
    asked(net, "gaussian:0.01", divide=False, bad_start="train")


def test_a_net_that_fits_its_pictures_already_is_no_dead_one() -> None:
    """Its gradients are as small, for its loss is: a bias of 20 leaves about 10 exp(-20) of it."""
    network = build("A", 10, width=NARROW, crop=CROP, initial="glorot")
    one = source_of(False)
    one = replace(one, part=one.part.only((one.part.labels == 0).nonzero()[0]))
    settings = Settings(net="A", width=NARROW, crop=CROP, scale=(48, 48), batch=4)
    with torch.no_grad():
        network.get_submodule("fc8").get_parameter("bias")[0] = 20.0
    found, loss = strengths(network, one, settings)
    assert loss < 1e-6
    assert mean_of(found) < 1
    refuse_dead(network, one, settings)


def test_to_halve_a_layers_weights_halves_the_gradients_of_all_others() -> None:
    network = build("A", 10, width=NARROW, crop=CROP, initial="whole-gaussian:0.01")
    settings = Settings(net="A", width=NARROW, crop=CROP, scale=(48, 48), batch=16)
    before = strengths(network, source_of(False), settings)[0]
    with torch.no_grad():
        network.get_parameter("conv3_1.weight").mul_(0.5)
    after = strengths(network, source_of(False), settings)[0]
    assert list(after) == [
        "conv1_1", "conv2_1", "conv3_1", "conv3_2", "conv4_1", "conv4_2", "conv5_1", "conv5_2",
        "fc6", "fc7", "fc8",
    ]  # fmt: skip
    for name, value in before.items():
        # the layer itself has its old gradient over half the weights
        assert after[name] / value == pytest.approx(2 if name == "conv3_1" else 0.5, rel=0.02)


def test_a_pictures_gradient_is_the_same_of_few_pictures_and_of_many() -> None:
    network = build("A", 10, width=NARROW, crop=CROP, initial="whole-gaussian:0.01")
    settings = Settings(net="A", width=NARROW, crop=CROP, scale=(48, 48))
    few, many = (
        mean_of(strengths(network, source_of(False), replace(settings, batch=count))[0])
        for count in (4, 40)
    )
    assert few / many == pytest.approx(1, rel=0.5)  # 10 ** 0.5 without the root of their number


def test_a_refused_run_leaves_its_folder_free_and_is_trained_when_that_is_asked_for() -> None:
    given = {**SMALL, "initial": "gaussian:0.01"}
    with pytest.raises(UserError, match="--set bad_start=train trains it anyway"):
        train("drawn:40x48", "run", TWO_CORES, **given)
    run = train("drawn:40x48", Path("run"), TWO_CORES, **given, bad_start="train")
    assert len(run.epochs) == 1
