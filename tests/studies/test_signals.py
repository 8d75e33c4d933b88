"""Signals of small nets, by hand, by theory and by numerical derivatives.

Theory is He et al.'s (2015, Sect. 2.2): a layer of n terms and weights of deviation s multiplies
the root mean square of what it reads by s sqrt(n), of which ReLU leaves 1 / sqrt 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.conftest import images
from verydeep.errors import UserError
from verydeep.nets.network import Network, build
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import IMAGENET
from verydeep.studies.signals import LayerSignals, moments, signals

LABELS = torch.tensor([0, 1, 2, 1])


def network_of(words: Sequence[str], crop: int, initial: str, classes: int = 3) -> Network:
    table = read_table("toy", [*words, f"FC-{classes}", "soft-max"], crop)
    return Network.random(table, [str(k) for k in range(classes)], IMAGENET, initial, 0)


def by_name(network: Network, shown: Tensor, labels: Tensor) -> dict[str, LayerSignals]:
    return {each.layer: each for each in signals(network, "", shown, labels).layers}


def test_values_and_gradients_of_two_units_by_hand() -> None:
    """Pictures of one pixel: 2 and -4, which the first layer copies and turns round.

    Behind its ReLU are (2, 0) and (0, 4); the second layer swaps them, so that scores are (0, 2)
    and (4, 0), and class 0 of the first has the posterior p = 1 / (1 + e^2), class 1 of the second
    q = 1 / (1 + e^4). Gradients by scores are (p - 1, 1 - p) and (1 - q, q - 1).
    """
    network = network_of(["conv1-2"], 1, "he", classes=2)
    with torch.no_grad():
        network.get_parameter("conv1_1.weight").copy_(
            torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]])[:, :, None, None]
        )
        swapped = torch.tensor([[0.0, 1], [1.0, 0]])
        network.get_parameter(f"{network.table.scores}.weight").copy_(swapped[:, :, None, None])
    shown = torch.zeros(2, 3, 1, 1)
    shown[:, 0, 0, 0] = torch.tensor([2.0, -4.0])
    found = signals(network, "by hand", shown, torch.tensor([0, 1]))
    first, second = found.layers
    p, q = 1 / (1 + math.exp(2)), 1 / (1 + math.exp(4))
    assert (found.net, found.initial) == ("toy", "by hand")
    assert found.loss == pytest.approx(-(math.log(p) + math.log(q)) / 2)
    assert (first.mean, first.zeros, second.zeros) == (1.5, 0.5, 0.5)
    assert first.std == pytest.approx(math.sqrt((4 + 16) / 4 - 1.5**2))
    assert first.gain == pytest.approx(math.sqrt((20 / 4) / (20 / 6)))
    assert second.gain == pytest.approx(1)
    down = math.sqrt(((1 - p) ** 2 + (1 - q) ** 2) / 2)  # their mean is 0
    assert second.gradient == first.gradient == pytest.approx(down)
    # by weights of the second: rows (p - 1) (2, 0) + (1 - q) (0, 4) and their opposite, halved
    by_weights = math.sqrt(((2 * (1 - p)) ** 2 + (4 * (1 - q)) ** 2) / 2) / 2
    assert second.weight_gradient == pytest.approx(by_weights / 0.5)  # of 0, 1, 1, 0


def test_gradients_are_numerical_derivatives() -> None:
    """Of a net without max-pooling, which has two slopes where it reads several zeros."""
    network = network_of(["conv3-4", "avepool2 /2", "conv1-5", "FC-6"], 4, "he").double()
    shown = images(4, 4, 4).double() / 50
    found = by_name(network, shown, LABELS)

    def losses(name: str = "data", values: Tensor = shown) -> Tensor:
        with torch.no_grad():
            scores = network.run({name: values}, ["scores"])["scores"][:, :, 0, 0]
            return -scores.log_softmax(1)[range(4), LABELS]

    def derivatives(values: Tensor, loss: object) -> Tensor:
        """By each value, which `loss()` reads."""
        flat, step = values.detach().view(-1), 1e-6
        slopes = []
        for i in range(len(flat)):
            before = float(flat[i])
            ends = []
            for sign in (1, -1):
                flat[i] = before + sign * step
                ends.append(float(loss()))  # type: ignore[operator]
            flat[i] = before
            slopes.append((ends[0] - ends[1]) / (2 * step))
        return torch.tensor(slopes, dtype=torch.float64)

    for layer, behind in (("conv1_1", "relu1_1"), ("conv2_1", "relu2_1")):
        values = network.run({"data": shown}, [behind])[behind].detach().clone()
        by_values = derivatives(values, lambda b=behind, v=values: losses(b, v).sum())
        assert found[layer].gradient == pytest.approx(float(by_values.std(correction=0)), rel=1e-4)
    for layer in found:
        weights = network.get_parameter(f"{layer}.weight")
        by_weights = derivatives(weights, lambda: losses().mean())
        ratio = float(by_weights.std(correction=0) / weights.detach().std(correction=0))
        assert found[layer].weight_gradient == pytest.approx(ratio, rel=1e-4)


@pytest.mark.parametrize(
    ("initial", "gain"),
    [
        ("he", 1.0),
        ("glorot", 1 / math.sqrt(2)),  # fan-in and fan-out being the same
        ("gaussian:0.1", 0.1 * math.sqrt(512 / 2)),
        ("gaussian:0.01", 0.01 * math.sqrt(512 / 2)),
    ],
)
def test_the_gain_of_a_wide_stack_is_the_one_of_theory(initial: str, gain: float) -> None:
    network = network_of(["conv1-512"] * 9, 2, initial)
    found = signals(network, initial, images(4, 2, 2), LABELS).layers[1:-1]
    for layer in found:
        assert layer.predicted == pytest.approx(gain, rel=0.005)
        assert layer.gain == pytest.approx(gain, rel=0.2)  # 512 units are some
    measured = math.prod(layer.gain for layer in found) ** (1 / len(found))
    assert measured == pytest.approx(gain, rel=0.04)


@pytest.mark.parametrize(("std", "gain"), [(0.1, 4.8), (0.01, 0.48)])
def test_the_papers_layers_of_512_channels_multiply_by_the_gain_that_is_known(
    std: float, gain: float
) -> None:
    """sqrt(3 x 3 x 512 / 2) x std, where no zeros of a padding are summed."""
    network = network_of(["conv1-512", "conv3-512 pad 0"], 6, f"gaussian:{std}")
    last = signals(network, "", images(4, 6, 6), LABELS).layers[1]
    assert last.predicted == pytest.approx(gain, rel=0.01)
    assert last.gain == pytest.approx(gain, rel=0.08)


@pytest.mark.parametrize(("side", "taps"), [(1, 1), (2, 4), (4, (2 * 2 + 2 * 3) ** 2 / 16)])
def test_zeros_of_the_padding_are_no_terms(side: int, taps: float) -> None:
    """Of 3 x 3 taps one is on a map of one pixel, four are on one of 2 x 2."""
    network = network_of(["conv1-256", "conv3-256"], side, "gaussian:0.05")
    last = signals(network, "", images(4, side, side), LABELS).layers[1]
    assert last.predicted == pytest.approx(0.05 * math.sqrt(256 * taps / 2), rel=0.005)
    assert last.gain == pytest.approx(last.predicted, rel=0.12)


def test_the_last_layer_has_no_relu_to_halve_its_squares() -> None:
    network = network_of(["conv1-64"], 2, "gaussian:0.1", classes=500)
    last = by_name(network, images(4, 2, 2), LABELS)[network.table.scores]
    assert last.predicted == pytest.approx(0.1 * math.sqrt(64 * 4), rel=0.01)
    assert last.gain == pytest.approx(last.predicted, rel=0.08)
    assert last.zeros == 0


@pytest.mark.parametrize("initial", ["gaussian:0.01", "he"])
def test_behind_a_norm_values_are_of_one_size_whatever_the_weights(initial: str) -> None:
    """ReLU of N(0, 1): 1 / sqrt(2 pi) and sqrt(1 / 2 - 1 / 2 pi)."""
    network = build("D-BN", 3, width=0.25, crop=32, initial=initial)
    for layer in signals(network, initial, images(4, 32, 32), LABELS).layers[:-3]:
        assert layer.mean == pytest.approx(1 / math.sqrt(2 * math.pi), rel=0.06)
        assert layer.std == pytest.approx(math.sqrt(0.5 - 0.5 / math.pi), rel=0.06)
        assert layer.predicted is None


@pytest.mark.parametrize("name", ["A", "C-BN"])
def test_nothing_is_dropped_and_nothing_is_changed(name: str) -> None:
    network = build(name, 3, width=0.125, crop=32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = [signals(network.train(mode), "", images(4, 32, 32), LABELS) for mode in (True, False)]
    assert found[0] == found[1]
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_weight_layers_come_by_name_in_their_order() -> None:
    network = build("C", 3, width=0.125, crop=32)
    names = [layer.layer for layer in signals(network, "", images(4, 32, 32), LABELS).layers]
    assert names == [
        "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3",
        "conv4_1", "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3", "fc6", "fc7", "fc8",
    ]  # fmt: skip


def test_what_is_not_finite_is_said_and_what_is_gone_is_zero() -> None:
    """Three layers of gains of some 1e20 pass 1e38; three of 1e-20 what a float has above 0."""
    words = ["conv1-8"] * 3
    found = signals(network_of(words, 2, "gaussian:1e20"), "", images(4, 2, 2), LABELS)
    first, second, third, last = found.layers
    assert not math.isnan(first.std)
    assert third.std == math.inf or math.isnan(third.std)
    assert not math.isfinite(found.loss)
    assert last.layer in found.not_finite
    assert first.layer in found.not_finite  # gradients come down through all of them
    assert math.isfinite(second.std) or not second.is_finite

    found = signals(network_of(words, 2, "gaussian:1e-20"), "", images(4, 2, 2), LABELS)
    assert found.not_finite == ()
    assert found.layers[2].std == 0.0
    assert found.layers[2].zeros == 1.0
    assert math.isnan(found.layers[3].gain)  # of nothing


def test_what_a_float_has_no_place_for_is_summed() -> None:
    """1e30 squared is beyond 3e38, the largest float; 1e-30 squared below the least."""
    for size in (1e30, 1e-30):
        found = moments(torch.tensor([size, -size, size, -size]))
        assert found.mean == 0
        assert found.std == found.rms == pytest.approx(size)
    assert moments(torch.full((4,), 3e38)).mean == pytest.approx(3e38)
    assert moments(torch.tensor([1.0, math.inf])).std == math.inf
    assert math.isnan(moments(torch.tensor([1.0, math.nan])).std)


def test_labels_that_do_not_fit_are_refused() -> None:
    network = build("A", 3, width=0.125, crop=32)
    with pytest.raises(UserError, match=r"labels \[0, 3\]; each is to be one of the 3 classes"):
        signals(network, "", images(2, 32, 32), torch.tensor([0, 3]))
    with pytest.raises(UserError, match="too small"):
        signals(network, "", images(4, 16, 16), LABELS)
