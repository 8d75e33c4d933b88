"""The words that tables are written in.

Shapes, parameters and reach are worked by hand, or are torchvision's (`num_params` of its weights
for ResNet-18 and GoogLeNet); where a row's values are asked for, PyTorch's functions are the
independent implementation.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.conftest import images
from tests.nets.others import GOOGLENET, RESNET_18
from verydeep.errors import UserError
from verydeep.nets.cost import cost
from verydeep.nets.network import Network
from verydeep.nets.rewording import with_classes, without_norms
from verydeep.nets.rows import FC, AvePool, Concat, Conv, Row, WholeAvePool
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import IMAGENET


def network_of(*words: str, crop: int = 32, channels: int = 3, classes: int = 0) -> Network:
    """A small net with random weights, in double precision for comparisons."""
    table = read_table("X", words, crop, channels)
    names = [str(i) for i in range(table.class_count)]
    return Network.random(table, names, IMAGENET, "he", 0)


def rows_of(*words: str, crop: int = 32) -> list[Row]:
    return list(read_table("X", words, crop).rows)


def test_a_convolution_has_what_its_word_says() -> None:
    conv = rows_of("conv11-96 /4 pad 0", crop=227)[0]
    assert isinstance(conv, Conv)
    assert (conv.kernel, conv.stride, conv.padding, conv.channels) == (11, 4, 0, 96)
    assert conv.output((3, 227, 227)) == (96, 55, 55)  # Krizhevsky et al., 2012
    dilated = rows_of("conv3-8 dilation 2")[0]
    assert isinstance(dilated, Conv)
    assert (dilated.extent, dilated.padding, dilated.output((3, 32, 32))) == (5, 2, (8, 32, 32))
    assert [row.name for row in rows_of("conv3-8 linear", "conv3-8 no bias")] == [
        "conv1_1", "conv1_2", "relu1_2",
    ]  # fmt: skip


def test_groups_read_their_own_share_of_the_channels() -> None:
    built = network_of("conv3-8 linear", "conv5-12 groups 2 dilation 2 linear")
    crop = images(1, 32, 32)
    found = built.run({"data": crop}, ["conv1_1", "conv1_2"])
    weight, bias = built.get_parameter("conv1_2.weight"), built.get_parameter("conv1_2.bias")
    assert weight.shape == (12, 4, 5, 5)
    halves = [
        F.conv2d(found["conv1_1"][:, 4 * i : 4 * i + 4], weight[6 * i : 6 * i + 6], padding=4,
                 dilation=2) for i in (0, 1)
    ]  # fmt: skip
    torch.testing.assert_close(
        found["conv1_2"], torch.cat(halves, 1) + bias[:, None, None], rtol=1e-4, atol=1e-3
    )
    assert cost(built.table).parameters == 3 * 9 * 8 + 8 + 4 * 25 * 12 + 12


def test_branches_are_put_together_or_summed() -> None:
    built = network_of("conv3-8", "(", "conv1-4", "|", "maxpool3 pad 1", "conv1-6", "|", ")",
                       "[", "conv3-18 linear", "|", "]")  # fmt: skip
    names = ["relu1_1", "relu1_2", "relu1_4", "concat1_1", "conv1_5", "add1_1", "relu_add1_1"]
    found = built.run({"data": images(1, 32, 32)}, names)
    assert found["concat1_1"].shape == (1, 18, 32, 32)
    parts = [found["relu1_2"], found["relu1_4"], found["relu1_1"]]
    assert torch.equal(found["concat1_1"], torch.cat(parts, 1))
    assert torch.equal(found["add1_1"], found["conv1_5"] + found["concat1_1"])
    assert torch.equal(found["relu_add1_1"], found["add1_1"].relu())


def test_words_are_repeated_as_often_as_they_say() -> None:
    written = rows_of("2 x conv1-8", "[", "conv3-8", "conv3-8 linear", "|", "] x 3")
    spelled = rows_of("conv1-8", "conv1-8", *["[", "conv3-8", "conv3-8 linear", "|", "]"] * 3)
    assert written == spelled
    assert sum(isinstance(row, Conv) for row in written) == 8


def test_average_pooling_of_the_whole_map_is_that_of_a_crops_anywhere() -> None:
    built = network_of("conv3-8 /2", "conv1-5", "avepool", "soft-max")
    (pool,) = [row for row in built.table.rows if isinstance(row, AvePool)]
    assert (type(pool), pool.kernel, built.table.scores) == (WholeAvePool, 16, "pool1")
    assert (built.table.class_count, built.table.step, built.table.trunk) == (5, 2, "relu1_2")
    larger = images(1, 32, 36)
    found = built.run({"data": larger}, ["relu1_2", "scores"])
    assert built.score_map(larger).shape == (1, 5, 1, 3)
    for place in range(3):
        expected = found["relu1_2"][:, :, :, place : place + 16].mean((2, 3))
        torch.testing.assert_close(found["scores"][:, :, 0, place], expected)


def test_pools_round_and_are_padded_as_pytorchs_are() -> None:
    built = network_of("maxpool3 /2 ceil", "avepool3 /2 pad 1", "L2", crop=34)
    found = built.run({"data": images(1, 34, 34)}, ["data", "pool1", "pool2", "l2_3_0"])
    expected = F.max_pool2d(found["data"], 3, 2, ceil_mode=True)
    assert torch.equal(found["pool1"], expected)
    expected = F.avg_pool2d(expected, 3, 2, 1)
    torch.testing.assert_close(found["pool2"], expected)
    lengths = found["l2_3_0"].square().sum(1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_a_side_head_is_an_end_of_its_own() -> None:
    words = ("conv3-8", "< side", "avepool5 /3", "FC-16", "FC-4", ">", "maxpool", "FC-9",
             "FC-4", "soft-max")  # fmt: skip
    built = network_of(*words)
    assert built.table.ends == {"side": "side_fc3", "scores": "fc3"}
    assert [row.name for row in built.table.rows if isinstance(row, FC)] == [
        "side_fc2", "side_fc3", "fc2", "fc3",
    ]  # fmt: skip
    found = built.run({"data": images(2, 32, 32)}, ["scores", "side"])
    assert {name: values.shape for name, values in found.items()} == {
        "scores": (2, 4, 1, 1), "side": (2, 4, 1, 1),
    }  # fmt: skip
    assert not {"side_fc2"} & {row.name for row, _ in built.table.path({"fc3"})}
    assert read_table("X", with_classes(words, 7), 32).class_count == 7
    assert with_classes(words, 7)[4:9] == ("FC-7", ">", "maxpool", "FC-9", "FC-7")


def test_values_may_begin_at_any_row() -> None:
    built = network_of("conv3-8", "maxpool", "FC-16", "FC-4", "soft-max")
    crop = images(2, 32, 32)
    pool1 = built.run({"data": crop}, ["pool1"])["pool1"]
    assert torch.equal(built.run({"pool1": pool1}, ["scores"])["scores"], built.score_map(crop))


def test_a_rule_stands_for_a_row_or_for_all_of_a_kind() -> None:
    built = network_of("conv3-8", "maxpool", "FC-16", "FC-4", "soft-max")
    crop = images(1, 32, 32)
    asked = []

    def doubled(row: Row, layer: torch.nn.Module, *values: Tensor) -> Tensor:
        asked.append(row.name)
        found: Tensor = 2 * layer(*values)
        return found

    plain = built.run({"data": crop}, ["fc2", "fc3"])
    found = built.run({"data": crop}, ["fc2"], {"pool1": doubled, Conv: doubled})
    assert asked == ["conv1_1", "pool1"]
    bias = built.get_parameter("fc2.bias")[:, None, None]
    torch.testing.assert_close(found["fc2"] - bias, 4 * (plain["fc2"] - bias))


@pytest.mark.parametrize(
    ("words", "side", "message"),
    [
        (["("], 32, r"'\(' is never closed by '\)'"),
        (["conv3-8", ")"], 32, r"'\)' stands in no brackets"),
        (["(", "conv3-8", "]"], 32, "']' stands in no brackets"),
        (["conv3-8", "|", "conv3-8"], 32, r"'\|' is no row"),
        (["(", "conv3-8 /2", "|", "conv3-8", ")"], 32, "relu1_1, relu1_2 give maps that do"),
        (["[", "conv3-8", "|", "conv3-9", "]"], 32, "relu1_1, relu1_2 give maps that do not fit"),
        (["conv3-8", "conv3-9 groups 2"], 32, "2 groups do not divide the channels of 'relu1_1'"),
        (["conv3-8 pad"], 32, "'conv3-8 pad' is no row of a table"),
        (["conv3-8 ceil"], 32, "'conv3-8 ceil' is no row of a table"),
        (["FC-8 groups 2"], 32, "'FC-8 groups 2' is no row of a table"),
        (["<", "conv3-8", ">"], 32, "'<' is no side head"),
        (["[", "conv3-3", "] x 999", "[", "conv3-3", "] x 999", "[", "conv3-3", "] x 999"], 32,
         "more than 8,192 rows"),
        (["conv3-8", "maxpool", "maxpool"], 2, "2 x 2 is too small"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(words: list[str], side: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_table("X", words, side)


def test_counts_of_nets_that_branch_are_torchvisions() -> None:
    assert cost(read_table("ResNet-18", RESNET_18, 224)).parameters == 11_689_512
    assert cost(read_table("GoogLeNet", GOOGLENET, 224)).parameters == 6_624_904


def test_what_a_net_with_branches_sees_is_that_of_its_farthest_path() -> None:
    """By hand, ResNet-18: 7 + 2 x 2 (pool) = 11, then 4 blocks of 3 x 3 at strides 4, 8, 16, 32."""
    rows = {row.name: row for row in cost(read_table("ResNet-18", RESNET_18, 224)).rows}
    field = 7 + 2 * 2 + 4 * 2 * 4  # conv1, pool1, four convolutions at stride 4
    field += 1 * 2 * 4 + 3 * 2 * 8  # the first of stride 2 steps by 4, the rest by 8
    field += 1 * 2 * 8 + 3 * 2 * 16 + 1 * 2 * 16 + 3 * 2 * 32
    last = rows["relu_add2_8"]
    assert (last.receptive_field, last.stride, last.shape) == (field, 32, (512, 7, 7))


def test_a_concatenation_has_the_channels_of_all() -> None:
    table = read_table("GoogLeNet", GOOGLENET, 224)
    shapes = table.shapes(224, 224)
    found = [shapes[row.name][0] for row in table.rows if isinstance(row, Concat)]
    assert found == [256, 480, 512, 512, 512, 528, 832, 832, 1024]  # Szegedy et al., Table 1


def test_norms_are_put_into_convolutions_with_biases() -> None:
    words = ("conv7-64-bn /2 no bias epsilon 0.001", "conv3-8-bn linear", "conv3-8 no bias")
    assert without_norms(words) == ("conv7-64 /2", "conv3-8 linear", "conv3-8 no bias")
