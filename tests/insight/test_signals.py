"""What comes down through a network.

The DeconvNet is held against unpooling by switches and transposed convolutions, written out here;
the rest are relations that hold of any net of such rows: of the first layer's units, of nets
without biases and with them, of signals that are scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.insight.nets import CROP, exact, noise
from verydeep.insight.signals import DECONVNET, GRADIENT, GUIDED, frozen, of_class, of_value, signal
from verydeep.nets.network import Network, Rules
from verydeep.nets.rows import LRN, PICTURE, Conv, MaxPool, ReLU
from verydeep.nets.table import SCORES

RULES = {"gradient": GRADIENT, "deconvnet": DECONVNET, "guided": GUIDED}


def _back_to(switches: Tensor, size: torch.Size, signal: Tensor) -> Tensor:
    return F.max_unpool2d(signal, switches, [2, 2], [2, 2], output_size=size)


def unpooled(network: Network, images: Tensor, row: str, start: Tensor) -> Tensor:
    """A DeconvNet of a chain of rows: its own forward pass, with switches, and the way back."""
    values, steps = images, list[Callable[[Tensor], Tensor]]()
    for each, _ in network.table.path({row}):
        layer = network.get_submodule(each.name)
        if isinstance(each, MaxPool):
            size = values.shape[2:]
            values, switches = F.max_pool2d(values, 2, 2, return_indices=True)
            steps.append(partial(_back_to, switches, size))
        elif isinstance(each, ReLU):
            values = values.clamp(min=0)
            steps.append(partial(torch.clamp, min=0))
        elif isinstance(each, Conv):
            weight, padding = layer.get_parameter("weight"), each.padding
            values = F.conv2d(values, weight, layer.get_parameter("bias"), padding=padding)
            steps.append(partial(F.conv_transpose2d, weight=weight, padding=padding))
    for step in reversed(steps):
        start = step(start)
    return start


@pytest.mark.parametrize("size", [(CROP, CROP), (37, 45)])
@pytest.mark.parametrize("row", ["relu1_2", "pool1", "conv2_2", "pool3", "fc5"])
def test_a_deconvnet_is_unpooling_by_switches(row: str, size: tuple[int, int]) -> None:
    network, images = exact(), noise(*size)
    values = network.run({PICTURE: images}, [row])[row]
    place = (values.shape[2] // 2, values.shape[3] // 2)
    unit = int(values[0, :, place[0], place[1]].argmax())
    start = of_value(unit, place)
    found = signal(network, images, row, start, DECONVNET)
    expected = unpooled(network, images, row, start(values))
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_rules_change_nothing_of_what_goes_up() -> None:
    network, images = exact(), noise()
    plain = network.run({PICTURE: images}, [SCORES])[SCORES]
    for rules in RULES.values():
        assert network.run({PICTURE: images}, [SCORES], rules)[SCORES].equal(plain)


def test_without_a_relu_below_all_three_are_the_same_to_the_bit() -> None:
    network, images = exact(), noise()
    each = [signal(network, images, "conv1_1", of_value(2, (5, 7)), r) for r in RULES.values()]
    assert each[0].abs().max() > 0
    assert each[0].equal(each[1])
    assert each[0].equal(each[2])


def test_they_are_different_pictures_where_relus_lie_between() -> None:
    network, images = exact(), noise()
    a, b, c = (signal(network, images, SCORES, of_class(1), r).flatten() for r in RULES.values())
    for one, other in ((a, b), (a, c), (b, c)):
        assert F.cosine_similarity(one, other, 0) < 0.9


def test_a_gradient_without_biases_gives_the_score_back_and_is_the_same_of_dimmer_pictures() -> (
    None
):
    network, images = exact(biases=False), noise(40, 48)
    gradient = signal(network, images, SCORES, of_class(2))
    score = network.run({PICTURE: images}, [SCORES])[SCORES][0, 2].mean()
    torch.testing.assert_close((images * gradient).sum(), score, rtol=1e-12, atol=0)
    dimmer = signal(network, images / 8, SCORES, of_class(2))
    torch.testing.assert_close(dimmer, gradient, rtol=1e-12, atol=1e-15)


def test_with_biases_those_times_their_gradients_are_what_lacks() -> None:
    """Gradients by biases are autograd's own."""
    network, images = exact(), noise()
    gradient = signal(network, images, SCORES, of_class(0))
    by_bias = exact().requires_grad_(True)
    score = by_bias.run({PICTURE: images}, [SCORES])[SCORES][0, 0].mean()
    torch.autograd.backward(score)
    biases = [p for name, p in by_bias.named_parameters() if name.endswith("bias")]
    rest = sum(float((p.detach() * p.grad).sum()) for p in biases if p.grad is not None)
    assert abs(rest) > 1e-3
    assert float((images * gradient).sum()) + rest == pytest.approx(score.item(), abs=1e-12)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_a_signal_that_starts_larger_comes_down_larger_and_no_other(rules: Rules) -> None:
    network, images = exact(), noise()
    start = of_value(3, (1, 2))
    found = signal(network, images, "relu3_1", start, rules)
    larger = signal(network, images, "relu3_1", lambda values: 4 * start(values), rules)
    assert found.abs().max() > 0
    assert larger.equal(4 * found)


def test_a_deconvnet_leaves_response_normalisation_out_and_the_gradient_does_not() -> None:
    words = ("conv3-6", "LRN k 1 alpha 1", "conv3-6 linear", "maxpool", "FC-3", "soft-max")
    network, images = exact(words), noise()
    (row,) = [row for row in network.table.rows if isinstance(row, LRN)]
    start = of_value(1, (3, 3))
    found = signal(network, images, "conv1_2", start, DECONVNET)
    weights = [network.get_submodule(name).get_parameter("weight") for name in
               ("conv1_1", "conv1_2")]  # fmt: skip
    above = F.conv_transpose2d(
        start(network.run({PICTURE: images}, ["conv1_2"])["conv1_2"]), weights[1], padding=1
    )
    expected = F.conv_transpose2d(above.clamp(min=0), weights[0], padding=1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    by_gradient, left_out = (
        signal(network, images, row.name, lambda values: values, rules)
        for rules in (GRADIENT, DECONVNET)
    )
    assert not torch.allclose(by_gradient, left_out)


def test_a_frozen_network_shares_its_tensors_and_leaves_the_other_as_it_is() -> None:
    network = exact().requires_grad_(True)
    same = frozen(network)
    assert not any(p.requires_grad for p in same.parameters())
    assert all(p.requires_grad for p in network.parameters())
    for name, tensor in network.state_dict().items():
        assert same.state_dict()[name].data_ptr() == tensor.data_ptr()


def test_signals_come_down_within_inference_mode_too() -> None:
    network, images = exact(), noise()
    with torch.inference_mode():
        found = signal(network, images + 0, SCORES, of_class(0))
    assert found.equal(signal(network, images, SCORES, of_class(0)))
