"""The nets beside VGG by name.

Parameters and multiply-adds (of convolutional and FC layers) are those that the papers print or
that others count of their nets: Krizhevsky's 60,965,224, torchvision's `num_params`, Caffe's
released files; LeNet-5's connections are printed beside its layers, and so are the sides of maps
of all nets in their papers' tables.
"""

from __future__ import annotations

from math import ceil, prod

import numpy as np
import onnxruntime
import pytest
import torch

from tests.conftest import images
from verydeep.engines.engine import engine_for
from verydeep.errors import UserError
from verydeep.evaluation.dense import in_tiles
from verydeep.exporters.onnx import onnx_bytes
from verydeep.nets import named
from verydeep.nets.cost import cost
from verydeep.nets.network import build
from verydeep.nets.rows import LRN, PICTURE, Concat, Pool
from verydeep.nets.table import SCORES

COUNTS = """
LeNet-5                   60,000   0.000     7
LeNet-Caffe              431,080   0.002     4
LeNet-dropout            431,080   0.002     4
AlexNet               60,965,224   0.724     8
AlexNet-ungrouped     62,378,344   1.135     8
AlexNet-one-tower     61,100,840   0.714     8
CaffeNet              60,965,224   0.724     8
ZFNet-a               62,357,608   1.168     8
ZFNet-b              107,627,624   2.477     8
OverFeat-fast        145,920,872   2.801     8
OverFeat-accurate    144,656,488   5.355     9
NiN                    7,595,176   1.100    12
NiN-CIFAR                966,986   0.222     9
GoogLeNet              6,998,552   1.583    22
GoogLeNet-aux         13,378,280   1.591    22
GoogLeNet-torchvision  6,624,904   1.498    22
SqueezeNet-1.0         1,248,424   0.833    18
SqueezeNet-1.1         1,235,496   0.388    18
ResNet-18-A           11,515,688   1.795    18
Plain-18              11,515,688   1.795    18
ResNet-18             11,689,512   1.814    18
ResNet-18-v1.5        11,689,512   1.814    18
ResNet-18-C           12,043,816   1.878    18
ResNet-34-A           21,623,848   3.644    34
Plain-34              21,623,848   3.644    34
ResNet-34             21,797,672   3.664    34
ResNet-34-v1.5        21,797,672   3.664    34
ResNet-34-C           22,716,840   3.831    34
ResNet-50             25,557,032   3.858    50
ResNet-50-v1.5        25,557,032   4.089    50
ResNet-101            44,549,160   7.570   101
ResNet-101-v1.5       44,549,160   7.801   101
ResNet-152            60,192,808  11.282   152
ResNet-152-v1.5       60,192,808  11.514   152
ResNet-20                269,722   0.041    20
ResNet-32                464,154   0.069    32
ResNet-44                658,586   0.097    44
ResNet-56                853,018   0.125    56
ResNet-110             1,727,962   0.253   110
ResNet-1202           19,421,274   2.829  1202
NN1                  140,025,664   1.606    14
NN2                    7,456,304   1.597    24
NN2-BN                 7,472,144   1.597    24
DeepFace             118,923,774   0.518     7
AlphaGo-128            1,777,641   0.641    13
AlphaGo-192            3,882,793   1.401    13
AlphaGo-256            6,798,953   2.453    13
AlphaGo-384           15,064,297   5.436    13
"""
COUNTED = {name: rest for name, *rest in map(str.split, COUNTS.strip().splitlines())}


@pytest.mark.parametrize("name", COUNTED)
def test_counts_are_those_of_its_paper(name: str) -> None:
    parameters, multiply_adds, layers = COUNTED[name]
    costs = cost(named.table(name))
    assert f"{costs.parameters:,}" == parameters
    assert f"{costs.multiply_adds / 1e9:.3f}" == multiply_adds
    assert costs.weight_layers == int(layers)


def test_all_nets_are_counted_but_those_of_no_paper() -> None:
    """The plain nets of CIFAR have the counts of those with shortcuts A, which have no weights."""
    for name in named.NETS.keys() - COUNTED.keys():
        assert named.NETS[name].crop == 32
        depth = int(name.split("-")[1])
        beside = cost(named.table(f"ResNet-{depth}"))
        assert cost(named.table(name)).parameters == beside.parameters
        assert beside.weight_layers == depth


def test_lenet_5_has_the_connections_that_its_paper_prints() -> None:
    """Trainable numbers and connections, biases among them, of C1 to F6 and the output."""
    printed = {
        "conv1_1": (156, 122_304), "pool1": (12, 5_880), "conv2_1": (1_516, 151_600),
        "pool2": (32, 2_000), "conv3_1": (48_120, 48_120), "fc3": (10_164, 10_164),
        "rbf4": (0, 840),
    }  # fmt: skip
    rows = {row.name: row for row in cost(named.table("LeNet-5")).rows}
    found = {}
    for name in printed:
        row = rows[name]
        places = prod(row.shape[1:])
        # a subsampling map reads four values for its one coefficient
        reads = 4 * row.multiply_adds if name.startswith("pool") else row.multiply_adds
        found[name] = row.parameters, reads + row.biases * places
    assert found == printed
    assert sum(connections for _, connections in found.values()) == 340_908


SIDES = {
    "LeNet-5": [28, 14, 10, 5, 1],
    "AlexNet": [55, 27, 13, 6, 1],
    "ZFNet-a": [110, 55, 26, 13, 6, 1],
    "OverFeat-fast": [56, 28, 24, 12, 6, 1],
    "OverFeat-accurate": [108, 36, 30, 15, 5, 1],
    "NiN": [54, 27, 13, 6, 1],
    "NiN-CIFAR": [32, 16, 8, 1],
    "GoogLeNet": [112, 56, 28, 14, 7, 1],
    "GoogLeNet-torchvision": [112, 56, 28, 14, 7, 1],
    "ResNet-50": [112, 56, 28, 14, 7, 1],
    "ResNet-50-v1.5": [112, 56, 28, 14, 7, 1],
    "ResNet-56": [32, 16, 8, 1],
    "NN1": [110, 55, 28, 14, 7, 1],
    "NN2": [112, 56, 28, 14, 7, 1],
    "DeepFace": [142, 71, 63, 55, 25, 21, 1],
    "AlphaGo-192": [19, 1],
    "SqueezeNet-1.0": [111, 55, 27, 13, 1],
}


@pytest.mark.parametrize("name", SIDES)
def test_maps_have_the_sides_that_its_paper_prints(name: str) -> None:
    found = named.table(name)
    shapes = found.shapes(found.crop, found.crop)
    sides = [shapes[row.name][1] for row, _ in found.path({found.rows[-1].name})]
    assert sorted({*sides} - {found.crop}, reverse=True) == [
        side for side in SIDES[name] if side != found.crop
    ]


def test_modules_have_the_channels_that_the_tables_print() -> None:
    found = named.table("NN2")
    shapes = found.shapes(224, 224)
    channels = [shapes[row.name][0] for row in found.rows if isinstance(row, Concat)]
    assert channels == [256, 320, 640, 640, 640, 640, 640, 1024, 1024, 1024]


def test_names_are_taken_as_people_type_them() -> None:
    typed = {
        "alexnet": "AlexNet", "caffenet": "CaffeNet", "zfnet": "ZFNet-a", "googlenet": "GoogLeNet",
        "resnet50": "ResNet-50", "ResNet_50_v1.5": "ResNet-50-v1.5", "resnet-34-a": "ResNet-34-A",
        "plain20": "Plain-20", "squeezenet1.1": "SqueezeNet-1.1", "lenet5": "LeNet-5",
        "nin": "NiN", "deepface": "DeepFace", "alphago": "AlphaGo-192", "vgg16": "D",
        "d-bn": "D-BN",
    }  # fmt: skip
    assert {name: named.called(name) for name in typed} == typed
    with pytest.raises(UserError, match="no configuration 'resnt50'; did you mean 'ResNet-50'?"):
        named.table("resnt50")


@pytest.mark.parametrize(
    ("name", "sizes", "message"),
    [
        ("AlexNet", {"crop": 64}, "64 x 64 is too small for configuration AlexNet"),
        ("GoogLeNet-aux", {"crop": 64}, "too small: nothing is left for 'aux1_fc2'"),
        ("LeNet-5", {"width": 0.5}, "LeNet-5 has a width of 1 alone"),
        ("ResNet-50", {"fc": 0}, "fc is for the nets of Table 1; ResNet-50 has"),
        ("ResNet-50", {"width": 5.0}, "a width of 5.0"),
        ("ResNet-50", {"classes": 1}, "leave nothing to tell apart"),
        ("AlphaGo-192", {"classes": 10}, "tells the 361 points of a board apart"),
        ("NN2", {"classes": 10}, "NN2 describes a picture by numbers"),
    ],
)
def test_sizes_that_a_net_cannot_have_are_refused(
    name: str, sizes: dict[str, float], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        named.table(name, **sizes)  # type: ignore[arg-type]


def test_planes_of_a_board_are_read_out_of_three_bytes_and_for_classes_alone() -> None:
    """The paper's table but for what is before it, whatever the number of classes asked for."""
    own = named.table("AlphaGo-192")
    table = named.Sizes("AlphaGo-192", crop=19).table(["FC-10", "soft-max"])
    assert (table.words, table.channels) == (("planes", *own.words), 3)
    assert (table.class_count, cost(table).parameters) == (361, cost(own).parameters)
    with pytest.raises(UserError, match="tells the points of a board apart, and nothing of"):
        named.Sizes("AlphaGo-192", crop=19).table(["FC-4", "boxes"])


def test_a_narrow_net_of_boards_still_tells_every_point() -> None:
    table = named.table("AlphaGo-128", width=0.125)
    assert (table.words[0], table.words[2]) == ("conv5-16", "conv1-1 position bias")
    assert table.class_count == 361


SMALL = {
    "LeNet-5": {}, "LeNet-Caffe": {}, "AlexNet": {"crop": 96}, "AlexNet-one-tower": {"crop": 96},
    "CaffeNet": {"crop": 96}, "ZFNet-a": {"crop": 96}, "OverFeat-fast": {"crop": 107},
    "OverFeat-accurate": {"crop": 113}, "NiN": {"crop": 64}, "NiN-CIFAR": {},
    "GoogLeNet": {"crop": 48}, "GoogLeNet-aux": {"crop": 96}, "GoogLeNet-torchvision": {"crop": 48},
    "SqueezeNet-1.0": {"crop": 48}, "SqueezeNet-1.1": {"crop": 48}, "ResNet-18": {"crop": 48},
    "ResNet-18-A": {"crop": 48}, "ResNet-18-C": {"crop": 48}, "Plain-18": {"crop": 48},
    "ResNet-50": {"crop": 48}, "ResNet-50-v1.5": {"crop": 48}, "ResNet-20": {}, "ResNet-8": {},
    "Plain-20": {},
    "NN1": {"crop": 64}, "NN2": {"crop": 64}, "NN2-BN": {"crop": 64}, "DeepFace": {"crop": 104},
    "AlphaGo-128": {"crop": 9},
}  # fmt: skip
"""A net of each kind, at a crop that its table can have."""


@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_every_parameter(name: str) -> None:
    """Norms by the batch; the side heads' losses among them."""
    wide = {} if not named.NETS[name].scalable else {"width": 0.0625}
    built = build(name, initial="he", **wide, **SMALL[name]).train()  # type: ignore[arg-type]
    ends = [*built.table.ends] or [built.table.last]
    pictures = images(2, built.table.crop, built.table.crop)[:, [0] * built.table.channels]
    found = built.run({PICTURE: pictures + torch.randn_like(pictures)}, ends)
    sum(values.float().pow(2).sum() for values in found.values()).backward()  # type: ignore[union-attr]
    for key, parameter in built.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().sum() > 0 or "bias" in key, key


@pytest.mark.parametrize("name", ["LeNet-5", "AlexNet", "NiN", "SqueezeNet-1.0", "ResNet-8"])
@torch.inference_mode()
def test_dense_testing_is_that_of_a_picture_moved_and_of_its_tiles(name: str) -> None:
    """A step to the right in the picture is a position to the right in the map."""
    wide = {} if not named.NETS[name].scalable else {"width": 0.0625}
    built = build(name, 5, initial="he", **wide, **SMALL[name])  # type: ignore[arg-type]
    table = built.table
    step, reach, side = table.step, table.reaches[table.scores], table.crop
    long = side + 2 * (reach.before + reach.after) + 12 * step
    views = torch.randint(0, 256, (1, side, long, 3)).to(torch.uint8)
    shown = built.pixels.normalise(views)
    ours, moved = built.score_map(shown), built.score_map(shown[..., step:])
    edge = ceil(max(reach.before, reach.after) / step) + 1
    assert moved[..., edge:-edge].numel()
    torch.testing.assert_close(
        moved[..., edge:-edge], ours[..., edge + 1 : -edge], rtol=1e-3, atol=1e-4
    )
    tiled = in_tiles(engine_for(built), views, side * long // 2)
    torch.testing.assert_close(tiled, ours, rtol=1e-3, atol=1e-4)


EXPORTED = ("LeNet-5", "ZFNet-a", "NiN", "GoogLeNet-aux", "SqueezeNet-1.0", "ResNet-20", "NN2-BN")


@pytest.mark.parametrize("name", EXPORTED)
@torch.no_grad()
def test_a_graph_of_onnx_gives_what_it_does(name: str) -> None:
    """Its scores, or the numbers of FaceNet's; ONNX Runtime is the outside."""
    wide = {} if not named.NETS[name].scalable else {"width": 0.0625}
    built = build(name, initial="he", **wide, **SMALL[name])  # type: ignore[arg-type]
    side, end = built.table.crop, built.table.rows[-1].name
    views = torch.randint(0, 256, (2, side, side, 3)).to(torch.uint8)
    outputs = ["scores"] if built.table.has_scores else [end]
    session = onnxruntime.InferenceSession(onnx_bytes(built, outputs))
    (found,) = session.run(None, {"pictures": views.numpy()})
    crop = built.pixels.normalise(views)
    expected = built(crop) if built.table.has_scores else built.activations(crop, [end])[end]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-3)


def test_rows_of_deep_nets_can_be_asked_for() -> None:
    built = build("resnet50", 10, width=0.125, crop=64)
    assert (built.table.trunk, built.table.scores) == ("relu_add2_16", "fc3")
    assert (built.table.step, built.table[built.table.scores].name) == (32, "fc3")
    assert built.score_map(images(1, 64, 128)).shape == (1, 10, 1, 3)


def test_pools_that_round_up_are_those_of_the_papers_that_have_them() -> None:
    up = {
        name: [row.name for row in named.table(name).rows if isinstance(row, Pool) and row.up]
        for name in ("AlexNet", "ZFNet-a", "NiN", "GoogLeNet", "ResNet-18", "ResNet-18-v1.5")
    }
    assert up == {
        "AlexNet": [], "ZFNet-a": ["pool1", "pool2"], "NiN": ["pool1", "pool3"],
        "GoogLeNet": ["pool1", "pool2", "pool3", "pool4"], "ResNet-18": ["pool1"],
        "ResNet-18-v1.5": [],
    }  # fmt: skip


def test_constants_of_lrn_are_the_papers_or_caffes() -> None:
    """Krizhevsky's k is 2 and Caffe's is 1; in AlexNet LRN stands before the pool."""
    found = {
        name: [(row.k, row.inputs) for row in named.table(name).rows if isinstance(row, LRN)]
        for name in ("AlexNet", "CaffeNet", "ZFNet-a", "GoogLeNet")
    }
    assert found == {
        "AlexNet": [(2.0, ("relu1_1",)), (2.0, ("relu2_1",))],
        "CaffeNet": [(1.0, ("pool1",)), (1.0, ("pool2",))],
        "ZFNet-a": [(2.0, ("pool1",)), (2.0, ("pool2",))],
        "GoogLeNet": [(1.0, ("pool1",)), (1.0, ("relu2_2",))],
    }


def test_side_heads_count_three_tenths_and_stand_behind_4a_and_4d() -> None:
    heads = named.table("GoogLeNet-aux").heads
    assert [(head.name, head.row, head.weight) for head in heads] == [
        ("aux1", "aux1_fc3", 0.3), ("aux2", "aux2_fc3", 0.3),
    ]  # fmt: skip
    rows = {row.name: row for row in named.table("GoogLeNet-aux").rows}
    assert [rows[f"{head}_pool1"].inputs for head in ("aux1", "aux2")] == [
        ("concat4_1",), ("concat4_4",),
    ]  # fmt: skip
    assert SCORES in named.table("GoogLeNet-aux").ends
