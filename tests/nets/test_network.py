"""Networks as tables.

Parameter counts are the sums of Table 1's layers, as peers count them too; multiply-adds to the
printed digits; D's layer-by-layer figures are a lecture's (Stanford CS231n, convolutional
networks); receptive fields were worked by hand: +2 per 3 x 3 layer times the stride, doubled at
each pool. torchvision's VGG is the independent implementation for scores.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.conftest import images
from verydeep.errors import UserError
from verydeep.nets import vgg
from verydeep.nets.cost import RowCost, cost
from verydeep.nets.layers import FullyConnected, MaxPool, to_channels_last
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last
from verydeep.nets.rows import NUMBERS, Conv, PlacesKind
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import IMAGENET

NAMES = list(vgg.CONFIGURATIONS)


@pytest.mark.parametrize(
    ("name", "layers", "parameters", "multiply_adds"),
    [
        ("A", 11, 132_863_336, "7.609"),
        ("A-LRN", 11, 132_863_336, "7.609"),
        ("B", 13, 133_047_848, "11.308"),
        ("C", 16, 133_638_952, "11.771"),
        ("D", 16, 138_357_544, "15.470"),
        ("E", 19, 143_667_240, "19.632"),
    ],
)
def test_counts_are_the_papers(name: str, layers: int, parameters: int, multiply_adds: str) -> None:
    costs = cost(vgg.table(name))
    assert costs.weight_layers == layers
    assert costs.parameters == parameters
    assert f"{costs.multiply_adds / 1e9:.3f}" == multiply_adds


@pytest.mark.parametrize("name", NAMES)
def test_parameters_counted_are_those_of_the_network(name: str) -> None:
    network = build(name, classes=7, width=0.125, crop=64)
    assert sum(p.numel() for p in network.parameters()) == cost(network.table).parameters


def test_shallow_b_has_five_conv_layers_with_bs_receptive_field() -> None:
    shallow, b = (
        {row.name: row for row in cost(vgg.table(name)).rows} for name in ("B-shallow", "B")
    )
    convs = [row for row in vgg.table("B-shallow").rows if type(row) is Conv]
    assert [(row.kernel, row.channels) for row in convs] == [
        (5, 64), (5, 128), (5, 256), (5, 512), (5, 512),
    ]  # fmt: skip
    for block in range(1, 6):
        pair, single = b[f"conv{block}_2"], shallow[f"conv{block}_1"]
        assert single.receptive_field == pair.receptive_field


# The lecture's listing: values rounded as it prints them, weights without biases.
LECTURE = """
data 150K 0
conv1_1 3.2M 1728
conv1_2 3.2M 36864
pool1 800K 0
conv2_1 1.6M 73728
conv2_2 1.6M 147456
pool2 400K 0
conv3_1 800K 294912
conv3_2 800K 589824
conv3_3 800K 589824
pool3 200K 0
conv4_1 400K 1179648
conv4_2 400K 2359296
conv4_3 400K 2359296
pool4 100K 0
conv5_1 100K 2359296
conv5_2 100K 2359296
conv5_3 100K 2359296
pool5 25K 0
fc6 4096 102760448
fc7 4096 16777216
fc8 1000 4096000
"""


def as_the_lecture_rounds(values: int) -> str:
    """3.2M to a tenth of a million; 803K as 800K and 150.5K as 150K; single units as they are."""
    if values >= 1e6:
        return f"{values / 1e6:.1f}M"
    if values >= 1e5:
        return f"{values // 10_000 * 10}K"
    return f"{values // 1000}K" if values >= 1e4 else f"{values}"


def test_ds_listing_is_the_lectures() -> None:
    rows = {row.name: row for row in cost(vgg.table("D")).rows}
    for line in LECTURE.split("\n")[1:-1]:
        name, values, weights = line.split()
        assert (name, as_the_lecture_rounds(rows[name].values)) == (name, values)
        assert rows[name].weights == int(weights)


def test_receptive_fields_and_strides_of_d() -> None:
    rows: dict[str, RowCost] = {row.name: row for row in cost(vgg.table("D")).rows}
    sees = {"conv1_2": 5, "pool1": 6, "conv2_2": 14, "pool2": 16, "conv3_3": 40, "conv5_3": 196}
    assert {name: rows[name].receptive_field for name in sees} == sees
    assert (rows["pool5"].receptive_field, rows["pool5"].stride) == (212, 32)
    assert rows["fc6"].receptive_field == 212 + 6 * 32


def test_dense_multiply_adds_grow_with_the_map() -> None:
    at_crop, larger = (cost(vgg.table("D"), side, side) for side in (224, 256))
    fc8 = at_crop.rows[-2].multiply_adds, larger.rows[-2].multiply_adds
    assert fc8 == (4_096_000, 4 * 4_096_000)  # 2 x 2 positions


@pytest.mark.parametrize("name", NAMES)
def test_a_crop_scores_the_same_through_both_ways(name: str) -> None:
    network = build(name, classes=5, width=0.125, crop=224)
    crop = images(2, 224, 224)
    score_map = network.score_map(crop)
    assert score_map.shape == (2, 5, 1, 1)
    torch.testing.assert_close(score_map[:, :, 0, 0], network(crop))


@pytest.mark.parametrize(("size", "positions"), [((256, 320), (2, 4)), ((384, 384), (6, 6))])
def test_larger_picture_gives_larger_score_map(
    size: tuple[int, int], positions: tuple[int, int]
) -> None:
    network = build("D", classes=3, width=0.125, crop=224)
    assert network.score_map(images(1, *size)).shape == (1, 3, *positions)


def test_a_position_far_from_the_border_scores_as_fully_connected_layers_do() -> None:
    """The convolution over the map, against a plain matrix product at each of its places."""
    network = build("B", classes=4, width=0.125, crop=64)
    found = network.activations(images(1, 128, 160), ["pool5", "fc6"])
    pool5, fc6 = found["pool5"], found["fc6"]
    weight, bias = network.get_parameter("fc6.weight").flatten(1), network.get_parameter("fc6.bias")
    for y in range(fc6.shape[2]):
        for x in range(fc6.shape[3]):
            seen = pool5[0, :, y : y + 2, x : x + 2].flatten()
            torch.testing.assert_close(fc6[0, :, y, x], weight @ seen + bias)


@pytest.mark.parametrize(
    ("name", "peer"), [("A", "vgg11"), ("B", "vgg13"), ("D", "vgg16"), ("E", "vgg19")]
)
def test_scores_are_torchvisions_with_the_same_weights(name: str, peer: str) -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, peer)(weights=None).eval()
    ours = Network.empty(vgg.table(name), [str(i) for i in range(1000)], build("A", 2).pixels)
    weights = list(theirs.state_dict().values())
    names = list(ours.state_dict())
    shapes = [tensor.shape for tensor in ours.state_dict().values()]
    copied = {n: w.reshape(s) for n, w, s in zip(names, weights, shapes, strict=True)}
    ours.load_state_dict(copied, assign=True)
    ours.eval()
    crop = images(2, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(ours(crop), theirs(crop), rtol=1e-4, atol=1e-6)


def test_activations_are_what_was_computed_before_the_relu() -> None:
    network = build("A", classes=3, width=0.125, crop=32)
    crop = images(1, 32, 32)
    found = network.activations(crop, ["conv1_1", "relu1_1", "prob"])
    by_hand = F.conv2d(
        crop,
        network.get_parameter("conv1_1.weight"),
        network.get_parameter("conv1_1.bias"),
        padding=1,
    )
    torch.testing.assert_close(found["conv1_1"], by_hand)
    assert (found["conv1_1"] < 0).any()
    torch.testing.assert_close(found["relu1_1"], by_hand.clamp(min=0))
    assert found["prob"].sum().item() == pytest.approx(1)


def test_activations_come_in_the_order_asked_for() -> None:
    network = build("A", classes=3, width=0.125, crop=32)
    assert list(network.activations(images(1, 32, 32), ["fc7", "pool1"])) == ["fc7", "pool1"]


def test_lrn_is_krizhevskys() -> None:
    """b = a / (k + alpha / n * sum of a^2 over n = 5 channels) ^ beta, written out by loops."""
    network = build("A-LRN", classes=3, width=0.125, crop=32)
    found = network.activations(images(1, 32, 32), ["relu1_1", "norm1_1"])
    a, b = found["relu1_1"][0], found["norm1_1"][0]
    for c in range(a.shape[0]):
        near = a[max(0, c - 2) : c + 3]
        expected = a[c] / (2 + 1e-4 / 5 * (near**2).sum(0)) ** 0.75
        torch.testing.assert_close(b[c], expected)


def test_a_table_is_read_again_from_its_words() -> None:
    table = vgg.table("C", classes=9, width=0.25, crop=96, fc=128)
    assert read_table("C", table.words, 96) == table
    assert table.words[-4:] == ("FC-128", "FC-128", "FC-9", "soft-max")


def test_names_are_caffes() -> None:
    names = [row.name for row in vgg.table("A-LRN").rows]
    assert names[:6] == ["conv1_1", "relu1_1", "norm1_1", "pool1", "conv2_1", "relu2_1"]
    assert names[-8:] == ["fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc8", "prob"]


@pytest.mark.parametrize(
    ("initial", "std"),
    [
        ("glorot", (2 / (9 * 64 + 9 * 128)) ** 0.5),
        ("he", (2 / (9 * 64)) ** 0.5),
        ("gaussian:0.01", 0.01),
    ],
)
def test_initial_weights_have_the_deviation_of_their_name(initial: str, std: float) -> None:
    """Standard deviations from the papers' formulas: 128 filters of 3 x 3 over 64 channels."""
    network = build("A", classes=2, crop=32, fc=8, initial=initial)
    weight = network.get_parameter("conv2_1.weight")
    assert weight.std().item() == pytest.approx(std, rel=0.02)
    assert weight.mean().item() == pytest.approx(0, abs=0.1 * std)
    assert not network.get_parameter("conv2_1.bias").any()


def test_biases_begin_as_the_name_says_in_all_layers_or_in_some() -> None:
    """AlexNet's at 1 behind the second, fourth and fifth convolution and in hidden FC layers;
    DeepFace's at 0.5, those of untied layers too; the weights are those without."""
    ones = ("conv2_1", "conv3_2", "conv3_3", "fc4", "fc5")
    named = f"gaussian:0.01 bias 1 in {','.join(ones)}"
    alex = build("AlexNet", 10, width=0.125, crop=67, initial=named)
    plain = build("AlexNet", 10, width=0.125, crop=67, initial="gaussian:0.01")
    for name, values in alex.named_parameters():
        layer, _, kind = name.rpartition(".")
        if kind == "bias":
            assert set(values.tolist()) == {1.0 if layer in ones else 0.0}
        else:
            assert torch.equal(values, plain.get_parameter(name))
    deep = build("DeepFace", 10, width=0.25, crop=152, initial="glorot bias 0.5")
    assert deep.get_parameter("local2_2.bias").eq(0.5).all()
    assert deep.get_parameter("fc3.bias").eq(0.5).all()


def test_a_narrow_net_may_begin_with_the_gains_of_the_whole_one() -> None:
    """sqrt(fan in) x deviation, by hand: 576 and 4096 terms are summed in the whole A by conv2_1
    and fc7, 512 x 7 x 7 by fc6; here 72, 512, and 64 x 2 x 2."""
    network = build("A", classes=2, width=0.125, crop=64, initial="whole-gaussian:0.01")
    for name, whole, own in (("conv2_1", 576, 72), ("fc6", 25088, 256), ("fc7", 4096, 512)):
        std = network.get_parameter(f"{name}.weight").std().item()
        assert std * own**0.5 == pytest.approx(0.01 * whole**0.5, rel=0.03)


def test_in_the_whole_net_its_gains_are_those_of_the_plain_gaussian() -> None:
    plain, scaled = (
        build("A", 2, fc=8, initial=initial) for initial in ("gaussian:0.01", "whole-gaussian:0.01")
    )
    for name in ("conv1_1", "conv5_2", "fc6"):
        weight = f"{name}.weight"
        assert torch.equal(plain.get_parameter(weight), scaled.get_parameter(weight))


@pytest.mark.parametrize("kind", ["boxes", "points"])
@pytest.mark.parametrize("initial", ["glorot", "he"])
def test_what_gives_places_begins_with_the_papers_gaussian(initial: str, kind: PlacesKind) -> None:
    """0.01, Sect. 3.1 of the paper; the layers before it are those of a classifier."""
    network = of_places(kind, initial)
    weight = network.get_parameter("fc8.weight")
    assert weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert weight.mean().item() == pytest.approx(0, abs=2e-4)
    assert not network.get_parameter("fc8.bias").any()
    like = build("A", 2, width=0.125, crop=32, fc=256, initial=initial)
    assert torch.equal(network.get_parameter("fc7.weight"), like.get_parameter("fc7.weight"))


def of_places(kind: PlacesKind, initial: str) -> Network:
    """A net that gives 80 numbers."""
    words = with_last(vgg.table("A", 2, 0.125, 32, 256).words, ("FC-80", kind))
    names = [f"n{i}" for i in range(80 // NUMBERS[kind])]
    return Network.random(read_table("A", words, 32), names, IMAGENET, initial, 0)


def test_where_a_gaussian_is_asked_for_places_begin_by_it() -> None:
    weight = of_places("boxes", "gaussian:0.03").get_parameter("fc8.weight")
    assert weight.std().item() == pytest.approx(0.03, rel=0.02)


def test_the_same_seed_gives_the_same_network() -> None:
    one, same, other = (build("A", 2, width=0.125, crop=32, seed=s) for s in (3, 3, 4))
    assert torch.equal(one.get_parameter("fc6.weight"), same.get_parameter("fc6.weight"))
    assert not torch.equal(one.get_parameter("fc6.weight"), other.get_parameter("fc6.weight"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vgg.table("F"), "no configuration 'F'; there are A, A-LRN"),
        (lambda: vgg.table("A", crop=31), "31 x 31 is too small .* left of it at 'pool5'"),
        (lambda: vgg.table("A", width=0), "a width of 0"),
        (lambda: vgg.table("A", classes=1), "at least 2 are needed"),
        (lambda: vgg.table("A", fc=-1), "-1 channels"),
        (lambda: read_table("X", ["conv3-8", "bogus"], 32), "'bogus' is no row"),
        (lambda: build("A", 2, initial="zeros"), "no initialisation 'zeros'; there are glorot, he"),
        (lambda: build("A", 2, initial="gaussian:-1"), "no initialisation 'gaussian:-1'"),
        (lambda: build("A", 2, initial="he bias x"), "no initialisation 'he bias x'; there are"),
        (lambda: build("A", 2, initial="he bias nan in fc6"), "no initialisation 'he bias nan"),
        (
            lambda: build("A", 2, width=0.125, crop=32, initial="he bias 1 in conv9_1"),
            "A has no layer conv9_1 whose biases begin so; there are conv1_1, conv2_1",
        ),
        (
            lambda: build("D", 2, width=0.125, crop=32).activations(images(1, 32, 32), ["conv5_4"]),
            "no layer 'conv5_4' in configuration D; its last convolution is 'conv5_3'",
        ),
        (lambda: build("D", 2, width=0.125, crop=64)(images(1, 32, 64)), "32 x 64 is too small"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(call: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()  # type: ignore[operator]


@pytest.mark.parametrize("unfolded", [1, 3000, 2**24])
@pytest.mark.parametrize("shape", [(2, 16, 7, 9), (1, 16, 12, 8), (3, 16, 11, 30)])
def test_fc_by_products_is_the_convolution(
    shape: tuple[int, ...], unfolded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verydeep.nets.layers.UNFOLDED", unfolded)
    layer = FullyConnected(16, 24, 7)
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for laid_out in (maps, maps.contiguous(memory_format=torch.channels_last)):
        expected = torch.nn.Conv2d.forward(layer, laid_out)
        torch.testing.assert_close(layer(laid_out), expected, atol=1e-5, rtol=1e-5)


def test_channels_last_is_the_layout_of_filters_and_not_of_fc_weights() -> None:
    network = build("A", 10, width=0.125, crop=64)
    expected = {name: weight.clone() for name, weight in network.state_dict().items()}
    to_channels_last(network)
    weights = network.state_dict()
    assert weights["conv2_1.weight"].is_contiguous(memory_format=torch.channels_last)
    assert weights["fc6.weight"].is_contiguous()
    assert all(torch.equal(weights[name], expected[name]) for name in weights)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (2, 3)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pooling_is_pytorchs_whether_anything_is_learnt_or_not(
    size: tuple[int, int], layout: torch.memory_format
) -> None:
    values = torch.randn(2, 5, *size).contiguous(memory_format=layout)
    values[0, 0, 0, 1] = torch.nan
    pool = MaxPool(2, 2)
    expected = F.max_pool2d(values, 2)
    with torch.no_grad():
        found = pool(values)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert found.is_contiguous(memory_format=layout)
    learning = values.clone().requires_grad_()
    torch.testing.assert_close(pool(learning), expected, rtol=0, atol=0, equal_nan=True)
