"""Networks cut to a row: what they describe pictures by, and classifiers behind that."""

from __future__ import annotations

import pytest
import torch

from verydeep.engines.engine import ENGINES, engine_for
from verydeep.errors import UserError
from verydeep.nets.describing import classifying, describing, usual_layer
from verydeep.nets.network import Network, build

IMAGES = torch.rand(2, 3, 80, 96, generator=torch.Generator().manual_seed(0)) * 100


def net(name: str = "D", fc: int | None = 24) -> Network:
    return build(name, 4, width=0.0625, crop=64, fc=fc, initial="he").eval()


@pytest.mark.parametrize(
    "layer", ["relu1_1", "conv2_2", "pool3", "relu5_3", "pool5", "fc6", "relu7", "fc8"]
)
@torch.inference_mode()
def test_a_descriptor_is_the_mean_of_a_rows_map(layer: str) -> None:
    network = net()
    describer = describing(network, layer)
    shown = describer.shown(IMAGES)  # cut to the steps of its own rows
    expected = network.run({"data": shown}, [layer])[layer].mean((2, 3))
    torch.testing.assert_close(describer.evidence(IMAGES), expected)


@pytest.mark.parametrize(
    ("name", "fc", "layer"),
    [("D", 24, "relu7"), ("D", 0, "pool5"), ("A-BN", 24, "relu7"), ("A-LRN", 0, "pool5")],
)
def test_pictures_are_described_by_the_last_row_before_the_top(
    name: str, fc: int, layer: str
) -> None:
    network = net(name, fc)
    assert usual_layer(network.table) == layer
    assert describing(network).table.words == describing(network, layer).table.words


def test_a_row_that_is_not_there_and_one_in_a_branch_are_refused() -> None:
    with pytest.raises(UserError, match="no layer 'conv9_9' in configuration D"):
        describing(net(), "conv9_9")
    with pytest.raises(UserError, match="'conv3_1' of A-BN stands within a branch, or before"):
        describing(net("A-BN"), "conv3_1")


@torch.inference_mode()
def test_a_classifier_asks_once_of_the_mean_over_views() -> None:
    describer = describing(net(), "pool5")
    weight, bias = torch.randn(3, 32), torch.randn(3)
    found = classifying(describer, weight, bias, ["a", "b", "c"])
    mean = describer.evidence(IMAGES).mean(0)
    expected = (weight @ (mean / mean.norm()) + bias).softmax(0)
    torch.testing.assert_close(
        found.verdict(found.evidence(IMAGES).mean(0, keepdim=True))[0], expected
    )
    several = classifying(describer, weight, bias, ["a", "b", "c"], several=True)
    one = describer.evidence(IMAGES)
    scores = torch.nn.functional.normalize(one) @ weight.T + bias
    torch.testing.assert_close(several.posteriors(IMAGES), scores.sigmoid())


@pytest.mark.parametrize("name", ENGINES)
@torch.inference_mode()
def test_every_engine_describes_alike(name: str) -> None:
    describer = describing(net(), "relu7")
    views = (torch.rand(2, 100, 81, 3) * 255).byte()
    found = engine_for(describer, name).evidence(views)
    expected = describer.evidence(describer.pixels.normalise(views))
    found, expected = (values / expected.norm(dim=1, keepdim=True) for values in (found, expected))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
