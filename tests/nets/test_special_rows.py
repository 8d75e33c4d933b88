"""Rows of the nets beside VGG: what they give, against plain loops, PyTorch's functions or by hand.

C3's table is checked against the paper's counts; ONNX Runtime is the outside for exported graphs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.conftest import images
from verydeep.engines.engine import ENGINES, engine_for
from verydeep.errors import UserError
from verydeep.exporters.onnx import write_onnx
from verydeep.nets.cost import cost
from verydeep.nets.digits import codes
from verydeep.nets.network import Network
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import IMAGENET


def network_of(*words: str, crop: int = 32, channels: int = 3) -> Network:
    """A small net with random weights and biases."""
    table = read_table("X", words, crop, channels)
    built = Network.random(table, [str(i) for i in range(table.class_count)], IMAGENET, "he", 0)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if name.endswith("bias"):
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
    return built


def given_and_found(built: Network, before: str, row: str) -> tuple[Tensor, Tensor]:
    """What a row reads, and what it gives, of two pictures."""
    crop = built.table.crop
    with torch.no_grad():
        found = built.run({"data": images(2, crop, crop)}, [before, row])
    return found[before], found[row]


def test_each_map_is_read_from_those_its_table_names() -> None:
    built = network_of("conv3-4 linear", "conv5-3 pad 0 linear from 02,1,0123")
    given, found = given_and_found(built, "conv1_1", "conv1_2")
    weight, bias = built.get_parameter("conv1_2.weight"), built.get_parameter("conv1_2.bias")
    assert weight.shape == (7, 1, 5, 5)
    filters = iter(weight)
    for channel, reads in enumerate(((0, 2), (1,), (0, 1, 2, 3))):
        expected = sum((F.conv2d(given[:, i : i + 1], next(filters)[None]) for i in reads),
                       start=torch.zeros(()))  # fmt: skip
        torch.testing.assert_close(found[:, channel], expected[:, 0] + bias[channel],
                                   rtol=1e-4, atol=1e-4)  # fmt: skip


@pytest.mark.parametrize(
    "word",
    ["conv5-3 from 02,1", "conv5-2 from 02,4", "conv5-2 from 00,1", "conv5-1 groups 1 from 0123x",
     "conv5-1 from 01 no bias"],
)  # fmt: skip
def test_a_table_of_connections_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="is no table of|is no row"):
        read_table("X", ("conv3-4", word), 32)


def test_an_untied_convolution_has_filters_for_each_place() -> None:
    """A loop over places is the outside."""
    built = network_of("conv3-4", "local3-5 /2 linear", crop=9)
    given, found = given_and_found(built, "relu1_1", "local1_2")
    filters = built.get_parameter("local1_2.weight").view(4, 4, 5, 4, 3, 3)
    bias = built.get_parameter("local1_2.bias")
    for y in range(4):
        for x in range(4):
            window = given[:, :, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            expected = torch.einsum("bcij,ocij->bo", window, filters[y, x]) + bias[:, y, x]
            torch.testing.assert_close(found[:, :, y, x], expected, rtol=1e-4, atol=1e-4)
    rows = {row.name: row for row in cost(built.table).rows}
    assert rows["local1_2"].parameters == 16 * 5 * (4 * 9 + 1)
    assert rows["local1_2"].multiply_adds == 16 * 5 * 4 * 9


def test_a_shortcut_a_has_every_second_place_and_zeros_beyond() -> None:
    built = network_of("conv3-4", "skip-6 /2", crop=9)
    given, found = given_and_found(built, "relu1_1", "skip1_2")
    assert found.shape == (2, 6, 5, 5)
    for y in range(5):
        for x in range(5):
            assert torch.equal(found[:, :4, y, x], given[:, :, 2 * y, 2 * x])
    assert not found[:, 4:].any()
    with pytest.raises(UserError, match="'skip-3' has fewer channels than the 4"):
        read_table("X", ("conv3-4", "skip-3"), 9)


def test_subsampling_sums_and_squashes() -> None:
    built = network_of("conv3-2 linear", "subsample2 /2 tanh", crop=8)
    given, found = given_and_found(built, "conv1_1", "tanh_pool1")
    factor, bias = built.get_parameter("pool1.weight"), built.get_parameter("pool1.bias")
    sums = given[:, :, 0::2, 0::2] + given[:, :, 1::2, 0::2]
    sums = sums + given[:, :, 0::2, 1::2] + given[:, :, 1::2, 1::2]
    inner = sums * factor[:, None, None] + bias[:, None, None]
    torch.testing.assert_close(found, 1.7159 * torch.tanh(2 / 3 * inner), rtol=1e-4, atol=1e-5)


def test_the_largest_of_each_pieces_is_taken() -> None:
    built = network_of("conv3-2", "FC-4 maxout 3 dropout 0", "FC-2", "soft-max", crop=8)
    given, found = given_and_found(built, "fc1", "maxout1")
    assert given.shape == (2, 12, 1, 1)
    for channel in range(4):
        assert torch.equal(found[:, channel], given[:, 3 * channel : 3 * channel + 3].amax(1))


def test_l2_pooling_is_the_length_of_a_window_and_has_a_gradient_at_nought() -> None:
    built = network_of("conv3-3", "L2pool3 /2 pad 1", crop=9)
    given, found = given_and_found(built, "relu1_1", "pool1")
    expected = F.lp_pool2d(F.pad(given, (1, 1, 1, 1)), 2.0, 3, 2)
    torch.testing.assert_close(found, expected)
    nought = torch.zeros(1, 3, 9, 9, requires_grad=True)
    (gradient,) = torch.autograd.grad(
        built.run({"relu1_1": nought}, ["pool1"])["pool1"].sum(), nought
    )
    assert not gradient.any()


def test_the_scores_are_less_the_squared_distances_to_codes() -> None:
    built = network_of("conv3-2", "FC-84 tanh", "RBF-10", "soft-max", crop=8)
    given, found = given_and_found(built, "tanh1", "rbf2")
    code = torch.from_numpy(codes(10, 84))
    for digit in range(10):
        distance = (given[:, :, 0, 0] - code[digit]).square().sum(1)
        torch.testing.assert_close(found[:, digit, 0, 0], -distance)
    assert built.table.class_count == 10
    assert cost(built.table).rows[-2].multiply_adds == 840  # LeCun et al., 1998
    assert not list(built.get_submodule("rbf2").parameters())


def test_codes_are_signs_and_each_anothers() -> None:
    for classes, length in ((10, 84), (37, 84), (1000, 84)):
        found = codes(classes, length)
        assert found.shape == (classes, length)
        assert {*np.unique(found)} == {-1.0, 1.0}
        assert len({row.tobytes() for row in found}) == classes
    seven = codes(10, 84)[7].reshape(12, 7)
    assert seven[0].tolist() == [1] * 7  # its bar
    assert seven[6].tolist() == [-1, -1, -1, 1, 1, -1, -1]


def test_each_place_has_a_bias_and_is_a_class() -> None:
    built = network_of("conv3-4", "conv1-1 position bias", "flatten", "soft-max", crop=5)
    given, found = given_and_found(built, "relu1_1", "flat1")
    weight, bias = built.get_parameter("conv1_2.weight"), built.get_parameter("bias1_2.bias")
    expected = torch.einsum("bcyx,c->byx", given, weight[0, :, 0, 0]) + bias[0]
    torch.testing.assert_close(found[:, :, 0, 0], expected.flatten(1), rtol=1e-4, atol=1e-5)
    assert (built.table.class_count, built.table.scores) == (25, "flat1")
    assert cost(built.table).parameters == 4 * 27 + 4 + 4 + 25


def test_a_colour_picture_is_grey_to_a_net_of_one_channel() -> None:
    built = network_of("grey", "conv3-4", crop=8)
    given, found = given_and_found(built, "data", "grey")
    torch.testing.assert_close(found[:, 0], (given[:, 0] + given[:, 1] + given[:, 2]) / 3)
    assert built.get_parameter("conv1_1.weight").shape == (4, 1, 3, 3)


PLACED = ("conv3-4", "maxpool", "local3-8", "FC-5", "soft-max")


def test_a_net_for_the_places_of_one_map_is_shown_the_middle_of_larger_pictures() -> None:
    built, wide = network_of(*PLACED, crop=16), images(2, 20, 30)
    assert (built.table.placed, built.table.trunk) == ("local2_1", "pool1")
    with torch.inference_mode():
        assert torch.equal(built(wide), built(wide[:, :, 2:18, 7:23]))
    with pytest.raises(
        UserError, match="15 x 30 is smaller than the crop of 16 of X, whose 'local"
    ):
        built(images(1, 15, 30))


@pytest.mark.parametrize("engine", ENGINES)
@torch.inference_mode()
def test_engines_run_what_stands_before_places(engine: str) -> None:
    built = network_of(*PLACED, crop=16)
    views = torch.randint(0, 256, (2, 20, 30, 3)).to(torch.uint8)
    expected = built.score_map(built.pixels.normalise(views))
    found = engine_for(built, engine).score_map(views)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


EXPORTED = {
    "LeNet": ("grey", "conv3-4 tanh", "subsample2 /2 tanh", "conv3-3 tanh from 01,2,123",
              "FC-9 tanh", "RBF-6", "soft-max"),
    "FaceNet": ("conv3-4", "L2pool3 /2 pad 1", "FC-8 maxout 2 dropout 0", "FC-5", "soft-max"),
    "shortcut": ("conv3-4", "[", "conv3-6 /2 linear", "|", "skip-6 /2", "]", "avepool", "FC-5",
                 "soft-max"),
    "places": ("conv3-4", "conv1-1 position bias", "flatten", "soft-max"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("engine", ["winograd", "openvino"])
@torch.inference_mode()
def test_engines_give_the_scores(engine: str, name: str) -> None:
    built = network_of(*EXPORTED[name], crop=16)
    views = torch.randint(0, 256, (2, 16, 29, 3)).to(torch.uint8)
    expected = built.score_map(built.pixels.normalise(views))
    found = engine_for(built, engine).score_map(views)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", EXPORTED)
@torch.no_grad()
def test_a_graph_of_onnx_gives_the_scores(name: str, tmp_path: Path) -> None:
    built = network_of(*EXPORTED[name], crop=16)
    write_onnx(built, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    for side in (16, 37):
        pictures = torch.randint(0, 256, (2, side, side + 5, 3)).to(torch.uint8)
        expected = built(built.pixels.normalise(pictures))
        found = session.run(["scores"], {"pictures": pictures.numpy()})[0]
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-3)


def test_what_onnx_has_no_place_for_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ONNX has no place for 'local2_1', a Local row"):
        write_onnx(network_of(*PLACED, crop=16), tmp_path / "net.onnx")
    planes = network_of("conv3-4", "FC-5", "soft-max", crop=16, channels=48)
    with pytest.raises(UserError, match="X reads 48 planes"):
        write_onnx(planes, tmp_path / "net.onnx")
