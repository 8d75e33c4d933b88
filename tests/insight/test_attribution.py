"""Grad-CAM and integrated gradients: relations that hold of any net, and what is refused.

Without biases gradients are the same all along the way to black at 0, so that integrated gradients
are gradient times picture (worked out by hand); completeness is Proposition 1 of their paper.
"""

from __future__ import annotations

import pytest
import torch

from tests.insight.nets import CROP, PIXELS, exact, noise
from tests.nets.others import GOOGLENET, RESNET_18, small
from verydeep.errors import UserError
from verydeep.insight.attribution import black, gradcam, integrated, usual_row
from verydeep.insight.signals import frozen, of_class, signal
from verydeep.nets import vgg
from verydeep.nets.describing import classifying, describing
from verydeep.nets.network import build
from verydeep.nets.rows import PICTURE
from verydeep.nets.table import SCORES


@pytest.mark.parametrize("steps", [1, 7])
def test_without_biases_they_are_gradient_times_picture(steps: int) -> None:
    network, images = exact(biases=False), noise(40, 48)
    zero = torch.zeros_like(images)
    found = integrated(network, images, 1, zero, steps)
    expected = images * signal(network, images, SCORES, of_class(1))
    torch.testing.assert_close(found.values, expected[0], rtol=1e-12, atol=1e-15)
    assert abs(found.residual) < 1e-12


def test_they_sum_to_what_the_score_is_above_that_of_black() -> None:
    """The midpoint rule errs by at most the integrand's kinks: under 1 % at 400 steps here."""
    network, images = exact(), noise()
    found = integrated(network, images, 0, steps=400)
    scores = [float(network.run({PICTURE: x}, [SCORES])[SCORES][0, 0].mean())
              for x in (images, black(network, images))]  # fmt: skip
    assert (found.score, found.baseline) == tuple(scores)
    assert float(found.values.sum()) == pytest.approx(scores[0] - scores[1], rel=0.01)
    assert found.residual == pytest.approx(float(found.values.sum()) - (scores[0] - scores[1]))
    assert abs(found.residual) < abs(integrated(network, images, 0, steps=2).residual)


def test_the_baseline_is_black_and_not_the_mean_colour() -> None:
    expected = [-m / s for m, s in zip(PIXELS.mean, PIXELS.std, strict=True)]
    found = black(exact(), noise())
    assert found.shape == (1, 3, CROP, CROP)
    torch.testing.assert_close(found[0, :, 3, 5], torch.tensor(expected, dtype=torch.float64),
                               rtol=1e-6, atol=0)  # fmt: skip


def test_gradcam_before_a_mean_is_cam() -> None:
    """Zhou et al.'s class activation map: the classifier's weights by the maps, over positions."""
    words = ("conv3-6", "maxpool", "conv3-8", "avepool", "FC-3", "soft-max")
    network, images = exact(words), noise()
    found = gradcam(network, images, 1, "relu2_1")
    maps = network.run({PICTURE: images}, ["relu2_1"])["relu2_1"][0]
    weights = network.get_parameter(f"{network.table.scores}.weight")[1]
    cam = (weights * maps).sum(0) / maps[0].numel()
    torch.testing.assert_close(found, cam.clamp(min=0), rtol=1e-10, atol=1e-14)


def test_the_usual_row_is_the_last_with_a_map_of_some_positions_before_its_pooling() -> None:
    """Maps of 14, 8 and 8 positions a side, by hand: a crop of 64 has 4 at relu5_3."""
    assert usual_row(vgg.table("D")) == "relu5_3"
    assert usual_row(vgg.table("A")) == "relu5_2"
    assert usual_row(vgg.table("D", crop=64)) == "relu4_3"
    assert usual_row(small(RESNET_18, 3).table) == "relu_add2_4"
    assert usual_row(small(GOOGLENET, 3).table) == "concat3_2"
    transferred = classifying(describing(build("D", 10, width=0.0625, crop=112), "pool5"),
                              torch.ones(3, 32), torch.zeros(3), "abc")  # fmt: skip
    assert usual_row(transferred.table) == "relu5_3"
    words = ("conv3-6", "maxpool", "maxpool", "maxpool", "conv3-8", "FC-3", "soft-max")
    assert usual_row(exact(words).table) == "relu1_1"
    coarse = ("conv3-6 /2", "maxpool3 /8", "conv3-8", "FC-3", "soft-max")
    assert usual_row(exact(coarse).table) == "relu1_1"


@pytest.mark.parametrize("words", [RESNET_18, GOOGLENET], ids=["ResNet-18", "GoogLeNet"])
def test_rows_of_nets_that_branch_have_one_too(words: tuple[str, ...]) -> None:
    network = frozen(small(words, 3))
    images = noise(64, 96).float()
    for row in (usual_row(network.table), "conv2_2" if words is RESNET_18 else "conv3_3"):
        found = gradcam(network, images, 1, row)
        assert found.ndim == 2
        assert torch.isfinite(found).all()


@pytest.mark.parametrize("row", ["fc4", "relu5", "fc6", "prob"])
def test_rows_without_a_map_are_refused_by_name(row: str) -> None:
    line = f"'{row}' of A has no map of the picture; take a row up to 'pool3', such"
    with pytest.raises(UserError, match=f"{line} as 'relu3_1'"):
        gradcam(exact(), noise(), 0, row)
