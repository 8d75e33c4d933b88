"""Maps held against captum's, an independent implementation, on the same net built of modules.

The net is a small VGG with a norm, odd sizes of pictures and ReLUs in its FC layers, in float64.
captum is a tool of development; the tests are skipped without it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from tests.insight.nets import CROP, exact, noise
from verydeep.insight.attribution import gradcam, integrated
from verydeep.insight.signals import DECONVNET, GRADIENT, GUIDED, of_class, signal
from verydeep.nets.network import Network, Rules
from verydeep.nets.table import SCORES

attr = pytest.importorskip("captum.attr")

WORDS = (
    "conv3-6-bn", "maxpool", "conv3-8", "conv3-8", "maxpool", "conv3-10", "maxpool", "FC-12",
    "FC-4", "soft-max",
)  # fmt: skip
LABEL = 2


def modules(network: Network) -> Iterator[nn.Module]:
    """The layers as they are in torchvision's nets, on the same tensors."""
    for row in network.table.rows[:-1]:  # all but the soft-max
        layer = network.get_submodule(row.name)
        given = layer.state_dict()
        made: nn.Module
        if row.name == "fc4":
            yield nn.Flatten()
        if row.name.startswith("conv"):
            made = nn.Conv2d(given["weight"].shape[1], len(given["weight"]), 3, padding=1)
        elif row.name.startswith("bn"):
            made = nn.BatchNorm2d(len(given["weight"]))
            given["num_batches_tracked"] = torch.tensor(0)
        elif row.name.startswith("fc"):
            given["weight"] = given["weight"].flatten(1)
            made = nn.Linear(given["weight"].shape[1], len(given["weight"]))
        elif row.name.startswith("relu"):
            made = nn.ReLU()
        elif row.name.startswith("pool"):
            made = nn.MaxPool2d(2, 2)
        else:
            continue
        made = made.double()
        made.load_state_dict(given)
        yield made


@pytest.fixture(scope="module")
def both() -> tuple[Network, nn.Sequential, Tensor]:
    """Our net, the same of modules, and a picture."""
    network, images = exact(WORDS), noise(CROP, CROP)
    norm = network.get_submodule("bn1_1")
    norm.get_buffer("running_mean").copy_(torch.linspace(-1, 1, 6))
    norm.get_buffer("running_var").copy_(torch.linspace(0.5, 2, 6))
    theirs = nn.Sequential(*modules(network)).eval()
    scores = network.run({"data": images}, [SCORES])[SCORES][..., 0, 0]
    torch.testing.assert_close(theirs(images).detach(), scores)
    return network, theirs, images


@pytest.mark.parametrize(
    ("name", "rules"),
    [("Saliency", GRADIENT), ("Deconvolution", DECONVNET), ("GuidedBackprop", GUIDED)],
)
@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
def test_signals_are_captums(
    both: tuple[Network, nn.Sequential, Tensor], name: str, rules: Rules
) -> None:
    network, theirs, images = both
    more = {"abs": False} if name == "Saliency" else {}
    given = images.clone().requires_grad_()
    expected = getattr(attr, name)(theirs).attribute(given, target=LABEL, **more)
    found = signal(network, images, SCORES, of_class(LABEL), rules)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-8, atol=1e-12)


def test_integrated_gradients_are_captums(both: tuple[Network, nn.Sequential, Tensor]) -> None:
    """captum's baseline is zero where none is given, and its steps lie at places in float32."""
    network, theirs, images = both
    expected = attr.IntegratedGradients(theirs).attribute(
        images, target=LABEL, n_steps=12, method="riemann_middle"
    )
    found = integrated(network, images, LABEL, torch.zeros_like(images), steps=12)
    torch.testing.assert_close(found.values, expected[0].detach(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("row", "place"), [("relu2_2", 7), ("conv2_1", 4), ("relu3_1", 10)])
def test_gradcam_is_captums(
    both: tuple[Network, nn.Sequential, Tensor], row: str, place: int
) -> None:
    network, theirs, images = both
    label = next(k for k in range(4) if gradcam(network, images, k, row).max() > 0)
    layer = attr.LayerGradCam(theirs, theirs[place])
    expected = layer.attribute(images, target=label, relu_attributions=True)
    found = gradcam(network, images, label, row)
    torch.testing.assert_close(found, expected[0, 0].detach(), rtol=1e-8, atol=1e-12)
