"""From parameters to a network of ours: the configuration, its size, and every misfit by name.

Parameters are those of networks of ours, so that what must come out is known to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.nets.test_folding import network as network_with_norms
from verydeep.errors import UserError, one_line
from verydeep.exporters import caffe as caffe_exporter
from verydeep.exporters import matconvnet as matconvnet_exporter
from verydeep.exporters import onnx as onnx_exporter
from verydeep.exporters import state_dict as state_exporter
from verydeep.importers import caffe, matconvnet, onnx, parameters_file, state_dict
from verydeep.importers.class_list import classes_in
from verydeep.importers.other_nets import out_of_place
from verydeep.importers.parameters import Parameters
from verydeep.importers.to_network import to_network
from verydeep.importers.to_table import table_of
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights import hash_of, load, save
from verydeep.weights.schema import class_names_of, pixels_of

PIXELS = Pixels((40, 60), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), order="BGR")


def network(name: str = "D", **given: Any) -> Network:
    sizes = {"width": 0.125, "crop": 32, "fc": 16, "pixels": PIXELS, **given}
    return build(name, ["cat", "dog", "newt"], **sizes)


def parameters(built: Network, **given: Any) -> Parameters:
    tensors = {name: t.detach().numpy().copy() for name, t in built.state_dict().items()}
    return Parameters("test", {**tensors, **given}, built.pixels, built.classes, ("a note",))


@pytest.mark.parametrize("name", [name for name in vgg.CONFIGURATIONS if name != "A-LRN"])
@pytest.mark.parametrize("sizes", [{}, {"width": 0.25, "crop": 96, "fc": 40}])
def test_a_configuration_is_known_by_its_layers(name: str, sizes: dict[str, Any]) -> None:
    built = network(name, **sizes)
    found = to_network(parameters(built), "w")
    assert found.network.table == built.table
    assert (found.network.classes, found.network.pixels) == (built.classes, PIXELS)
    assert hash_of(found.network) == hash_of(built)
    assert found.notes[0] == "a note"


@pytest.mark.parametrize("name", ["A", "C", "E"])
def test_norms_are_part_of_the_table(name: str) -> None:
    built = network_with_norms(name)
    found = to_network(parameters(built), "w").network
    assert found.table == built.table
    assert hash_of(found) == hash_of(built)


def test_layers_may_each_have_a_width_of_their_own() -> None:
    words = ("conv3-3", "maxpool", "conv3-5", "maxpool", "conv3-7", "conv3-2", "maxpool", "conv3-4",
             "conv3-6", "maxpool", "conv3-9", "conv3-8", "maxpool", "FC-11", "FC-5", "FC-2",
             "soft-max")  # fmt: skip
    from verydeep.nets.words import read_table

    built = Network.empty(read_table("A", words, 64), ["a", "b"], PIXELS)
    built.load_state_dict({k: torch.ones(t.shape) for k, t in built.state_dict().items()},
                          assign=True)  # fmt: skip
    assert to_network(parameters(built), "w").network.table == built.table


def test_a_without_lrn_is_said() -> None:
    found = to_network(parameters(network("A-LRN")), "w")
    assert found.network.table.name == "A"
    assert "taken for A, without LRN" in found.notes[-1]
    assert "LRN" not in " ".join(to_network(parameters(network("B")), "w").notes)


# --- classes


def test_classes_are_numbers_where_nobody_names_them() -> None:
    given = parameters(network())
    bare = Parameters(given.family, given.tensors, given.pixels)
    found = to_network(bare, "w")
    assert found.network.classes == ("0", "1", "2")
    said = "classes have no names, and are numbered 0 to 2; --classes FOLDER, or a list, names them"
    assert found.notes == (said,)
    assert found.guessed == ("classes",)
    assert to_network(bare, "w", ["x", "y", "z"]).network.classes == ("x", "y", "z")
    assert to_network(bare, "w", ["x", "y", "z"]).notes == ()


def test_given_names_stand_before_those_of_the_file_and_must_be_as_many() -> None:
    assert to_network(parameters(network()), "w", ["x", "y", "z"]).network.classes[0] == "x"
    with pytest.raises(UserError, match="2 class names given for the 3 classes of w"):
        to_network(parameters(network()), "w", ["x", "y"])


def test_a_list_of_synsets_gives_wnids_with_a_word() -> None:
    lines = "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n"
    Path("words.txt").write_text(lines)
    assert classes_in(Path("words.txt")) == ["n01440764 tench", "n01443537 goldfish"]
    index = '{"1": ["n01484850", "great_white_shark"], "0": ["n01440764", "tench"]}'
    Path("index.json").write_text(index)
    assert classes_in(Path("index.json")) == ["n01440764 tench", "n01484850 great white shark"]
    Path("plain.txt").write_text("\ufeffdög\n\n  cat \n東京\u3000駅\n")
    assert classes_in(Path("plain.txt")) == ["dög", "cat", "東京\u3000駅"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"crane\ncat\ncrane\n", "names two classes 'crane'; give names that differ"),
        (
            b"cat\n\x1b[2Jdog\n",
            r"names a class '\\x1b\[2Jdog', with a control character",
        ),
        (b'{"0": ["n01440764", "ten\\u001bch"]}', r"names a class 'n01440764 ten\\x1bch', with"),
        (b"\xfe", "it is no text in UTF-8 or UTF-16"),
        (b"\xff\xfe\x00", "it is no text in UTF-8 or UTF-16"),
        (b"\xff\xfe", "is no list of class names: it holds no name; give a name to a line"),
        (b"x" * (2**22 + 1), "too long to be a list of class names"),
        (None, "cannot read the class names in names.txt: No such file"),
        (b"n01440764 tench\nn01440764 tench\n", "names two classes 'n01440764 tench'"),
        (b'{"0": ["n01440764", "tench"], "1": ["n01440764", "tench"]}', "names two classes"),
        (b'{"0": ["tench", "tench"]}', "it holds a name that is none"),
        (b'{"1": ["n01440764", "tench"]}', "it holds 1 names and none numbered 0; give"),
        (b'{"0": ["n01440764", 1]}', "it holds a name that is none"),
        (b'{"cat": 0, "dog": 2}', "it holds 2 names and none numbered 1; give"),
        (b'{"cat": 0, "dog": 0}', "it holds two names numbered 0, 'cat' and 'dog'; give"),
        (b'{"cat": 0, "cat": 1}', "it holds one of its keys twice; give"),
        (b'{"cat": 0.5}', "it holds 'cat' where a number is needed; give"),
        (b'{"cat": -1}', "it holds 1 names and none numbered 0; give"),
        (b'["cat", 3]', "it holds a name that is none"),
        (b'[""]', "names a class '', with no letter"),
        (b"1 cat\n2 dog\n", "it holds 2 names and none numbered 0; give"),
        (b"0 cat\n2 dog\n", "it holds 2 names and none numbered 1; give"),
        (b"0 cat\n0 dog\n", "it holds two names numbered 0, 'cat' and 'dog'; give"),
        (b"{" * 100_000, "is no list of class names: it holds JSON that is none"),
        (b"[" * 100_000, "is no list of class names: it holds JSON that is none"),
        (b"{}", "is no list of class names: it holds no name"),
        (b"", "is no list of class names: it holds no name"),
        (b"\n".join(b"%d" % i for i in range(100_001)), "names 100,001 classes; 100,000 are the"),
    ],
)
def test_odd_lists_of_classes_are_named(content: bytes | None, line: str) -> None:
    if content is not None:
        Path("names.txt").write_bytes(content)
    with pytest.raises(UserError, match=line):
        classes_in(Path("names.txt"))


# --- nets without a top


@pytest.mark.parametrize("name", [name for name in vgg.CONFIGURATIONS if name != "A-LRN"])
def test_a_configuration_is_known_without_its_top(name: str) -> None:
    built = network(name)
    found = to_network(parameters_of(built, without("fc6", "fc7", "fc8", name=name)), "w").network
    assert found.table.words == built.table.words[: built.table.words.index("FC-16")]
    assert (found.table.name, found.classes, found.table.class_count) == (name, (), 0)
    images = torch.ones(1, 3, 64, 32)
    for row in ("relu5_2" if name != "B-shallow" else "relu5_1", "pool5"):
        expected = built.activations(images, [row])[row]
        assert torch.equal(found.activations(images, [row])[row], expected)
    for scores in (found, found.score_map, found.posteriors):
        with pytest.raises(UserError, match=f"{name} to pool5 has no layer of classes: train one"):
            scores(images)


@pytest.mark.parametrize(
    ("name", "last", "taken_for", "ends", "note"),
    [
        ("E", "conv3_1", "E", "relu3_1", "B, C, D and E begin with these layers; taken for E"),
        ("B", "conv2_2", "E", "pool2", "B, C, D and E begin with these layers; taken for E"),
        ("D", "conv3_3", "E", "relu3_3", "D and E begin with these layers; taken for E"),
        ("D", "conv4_1", "D", "relu4_1", None),
        ("C", "conv3_3", "C", "pool3", None),
        ("A", "conv2_1", "A", "pool2", "A and A-LRN have the same layers"),
        ("D-BN", "conv4_2", "D-BN", "relu4_2", None),
    ],
)
def test_the_beginning_of_a_net_is_one_that_ends_there(
    name: str, last: str, taken_for: str, ends: str, note: str | None
) -> None:
    """Which configurations begin alike is read off Table 1 by hand."""
    built = network_with_norms("D") if name == "D-BN" else network(name)
    layers = [row.name for row in built.table.rows if row.weights((1, 1, 1))]
    kept = layers[: layers.index(last) + 1 + name.endswith("BN")]
    tensors = without(*layers[len(kept) :], name=name.removesuffix("-BN"), norms="BN" in name)
    found = to_network(parameters_of(built, tensors), "w")
    assert (found.network.table.name, found.network.table.rows[-1].name) == (taken_for, ends)
    said = [said for said in found.notes if "these layers" in said or "the same layers" in said]
    assert said == ([] if note is None else [said[0]])
    assert note is None or note in said[0]
    save(found.network, "w.safetensors")
    assert load("w.safetensors").table == found.network.table


def parameters_of(built: Network, tensors: dict[str, np.ndarray]) -> Parameters:
    return Parameters("test", tensors, built.pixels)


# --- what does not fit


def without(*layers: str, name: str = "D", norms: bool = False) -> dict[str, np.ndarray]:
    built = network_with_norms(name) if norms else network(name)
    return {
        key: array
        for key, array in parameters(built).tensors.items()
        if key.rpartition(".")[0] not in layers and key not in layers
    }


def changed(name: str, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {**without(), name: np.zeros(shape, np.float32)}


@pytest.mark.parametrize(
    ("tensors", "line"),
    [
        (lambda: without("conv2_1", "fc6", "fc7", "fc8"), "w is no whole net of Table 1: nearest "
         "to it is D, lacks conv2_1; a file of all layers up to its last is needed"),
        (lambda: without(*(f"conv{b}_{i}" for b in (1, 2, 3, 4, 5) for i in (1, 2, 3) if (b, i) not
         in ((1, 1), (3, 1))), "fc6", "fc7", "fc8"), "nearest to it is A, lacks conv2_1; a file"),
        (lambda: without("fc8"), "nearest to it is D, lacks fc8;"),
        (lambda: without("conv5_3"), "no whole net of Table 1: nearest to it is [CD], lacks"),
        (lambda: without("conv3_1", "fc7"), "nearest to it is D, lacks conv3_1, fc7"),
        (lambda: {**without(), "conv5_4.weight": np.zeros((2, 2, 3, 3), np.float32)},
         "nearest to it is D, has conv5_4 more"),
        (lambda: changed("conv1_2.weight", (8, 8, 5, 5)), "it is D, has conv1_2 of other kernels"),
        (lambda: without("conv1_1.bias"), "w lacks conv1_1.bias"),
        (lambda: without("conv1_1.weight"), "w has nothing in conv1_1.weight"),
        (lambda: without("bn1_1.running_mean", norms=True), "w lacks bn1_1.running_mean"),
        (lambda: changed("conv2_1.weight", (16, 3, 3, 3)), "w has conv2_1.weight of 16 x 3 x 3 x "
         "3; after the layers before it, it must be 16 x 8 x 3 x 3"),
        (lambda: changed("fc6.weight", (16, 64, 1, 2)), "fc6.weight of 16 x 64 x 1 x 2; .* 1 x 1"),
        (lambda: changed("fc6.weight", (16, 64)), "an fc6 that looks at no map"),
        (lambda: changed("fc7.weight", (16, 16)), "fc7.weight of 16 x 16; .* 16 x 16 x 1 x 1"),
        (lambda: changed("fc8.bias", (4,)), "fc8.bias of 4; .* must be 3"),
        (lambda: changed("conv1_1.weight", (0, 3, 3, 3)), "w has nothing in conv1_1.weight"),
        (lambda: changed("conv1_1.running_mean", (8,)), "w has 'conv1_1.running_mean', which"),
        (lambda: {**changed("fc8.weight", (1, 16, 1, 1)), "fc8.bias": np.zeros(1, np.float32)},
         "w has one class"),
        (lambda: changed("res2a_branch2a.weight", (1,)), "w has 'res2a_branch2a', as a ResNet"),
        (lambda: changed("loss3.weight", (1,)), "w has 'loss3', which is at no place of a "
         "VGG; expected are conv1_1 ... fc8"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tensors: Callable[[], Any], line: str) -> None:
    with pytest.raises(UserError, match=line) as raised:
        to_network(Parameters("test", tensors(), PIXELS), "w")
    assert str(raised.value).startswith("w ")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["conv4_2.weight", "fc8.bias"])
def test_weights_that_are_no_numbers_are_refused_by_layer(name: str, bad: float) -> None:
    given = parameters(network())
    given.tensors[name].flat[3 if given.tensors[name].size > 3 else 0] = bad
    with pytest.raises(UserError, match=f"w has weights that are no finite numbers, in {name}"):
        to_network(given, "w")


def test_a_variance_below_zero_is_refused() -> None:
    given = parameters(network_with_norms("A"))
    given.tensors["bn2_1.running_var"][0] = -1
    with pytest.raises(UserError, match=r"a variance below 0 in bn2_1.running_var"):
        to_network(given, "w")


def test_the_table_is_known_without_its_values() -> None:
    assert table_of(Parameters("test", without(name="E"), PIXELS), "w").name == "E"


@pytest.mark.parametrize(
    ("name", "net"),
    [
        ("layer1.0.conv1.weight", ", as a ResNet has"),
        ("features.denseblock1.denselayer1.norm1.weight", ", as a DenseNet has"),
        ("Mixed_5b.branch1x1.conv.weight", ", as an Inception net has"),
        ("features.3.squeeze.weight", ", as a SqueezeNet has"),
        ("blocks.0.attn.qkv.weight", ", as a vision transformer has"),
        ("rpn.head.conv.weight", ", as a detector has"),
        ("features.1.0.block.0.weight", ""),
        ("backbone.body.conv1.weight", ""),
        ("classifier.1.weight", ""),
    ],
)
def test_a_layer_without_a_place_is_named_and_no_more_is_said_than_is_known(
    name: str, net: str
) -> None:
    line = f"'{name}'{net}, which is at no place of a VGG"
    assert out_of_place(["bn1.bias"] * (net != "") + [name]) == line


def test_complaints_are_one_clean_line() -> None:
    assert one_line("a\x1b[31mb\x00\nsecond") == r"a\x1b[31mb\x00"
    assert len(one_line("x" * 10_000)) == len(one_line("\x1b" * 10_000)) == 300
    assert one_line(KeyError()) == "KeyError"
    assert one_line("") == "str"


ODD = ("Misc.", "東京\u3000駅", " ...", "é\u200dx", "a\xa0b")
"""Names as people give them: full stops, wide spaces, joiners."""
HOSTILE = ("\r\x1b[2Kcat", "a\nb", "a\tb", "\x85", "\u2028", "\u2029", "\ud800", "\u202ecat",
           "\u2066cat", "\x7f")  # fmt: skip
"""By Unicode's categories Cc, Zl, Zp and Cs, and its overrides of direction."""


def test_class_names_are_what_they_were() -> None:
    assert class_names_of(list(ODD)) == ODD
    built = build("A", ODD, width=0.125, crop=32, fc=16)
    given = Parameters("test", parameters(built).tensors, PIXELS, ODD)
    parameters_file.write(given, Path("p"))
    assert parameters_file.read(Path("p"), "w").classes == ODD
    for write, path, read in (
        (onnx_exporter.write_onnx, "x.onnx", onnx.read),
        (caffe_exporter.write, "x.caffemodel", caffe.read),
        (matconvnet_exporter.write, "x.mat", matconvnet.read),
        (
            lambda network, path: state_exporter.write(network, path, "timm"),
            "x.pth",
            state_dict.read,
        ),
    ):
        write(built, path)
        assert read(path).classes == ODD
    save(built, "x.safetensors")
    assert load("x.safetensors").classes == ODD


@pytest.mark.parametrize("name", HOSTILE)
def test_class_names_that_leave_their_line_are_refused(name: str) -> None:
    built = build("A", ["dog", name], width=0.125, crop=32, fc=16)
    tensors = parameters(built).tensors
    parameters_file.write(Parameters("test", tensors, PIXELS, ("dog", name)), Path("p"))
    with pytest.raises(UserError, match="^w was read, but not to weights: a class name with "):
        parameters_file.read(Path("p"), "w")
    onnx_exporter.write_onnx(built, "x.onnx")
    with pytest.raises(UserError, match="what it says of its pixels and classes"):
        onnx.read("x.onnx")
    with pytest.raises(UserError, match="a class name with .*, '") as raised:
        save(built, "x.safetensors")
    assert str(raised.value).isprintable()


# --- passing from one process to another


def test_parameters_pass_whole() -> None:
    given = parameters(network())
    parameters_file.write(given, Path("p"))
    read = parameters_file.read(Path("p"), "w")
    assert read.lrn is None
    parameters_file.write(replace(given, lrn=True), Path("p"))
    assert parameters_file.read(Path("p"), "w").lrn is True
    assert (read.family, read.pixels, read.classes, read.notes) == (
        given.family, given.pixels, given.classes, given.notes,
    )  # fmt: skip
    assert hash_of(to_network(read, "w").network) == hash_of(network())


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"x": np.array([1.0, np.nan], np.float32)}, "w has weights that are no finite num"),
        ({"x": np.zeros(2)}, "x is torch.float64 of 1 axes"),
        ({"x": np.zeros((1, 1, 1, 1, 1), np.float32)}, "x is torch.float32 of 5 axes"),
        ({"x\n": np.zeros(2, np.float32)}, "a name that is none"),
        ({"x" * 101: np.zeros(2, np.float32)}, "a name that is none"),
        ({f"x{i}": np.zeros(2, np.float32) for i in range(1025)}, "1025 tensors"),
        ({}, "0 tensors"),
    ],
)  # fmt: skip
def test_what_passes_is_looked_at_again(given: dict[str, np.ndarray], line: str) -> None:
    parameters_file.write(Parameters("test", given, PIXELS), Path("p"))
    with pytest.raises(UserError, match=line):
        parameters_file.read(Path("p"), "w")


@pytest.mark.parametrize(
    "said",
    [
        {"scale": [1]}, {"scale": ["a", "b"]}, {"scale": [60, 40]}, {"scale": [0, 1]},
        {"mean": "RGB"},
        {"mean": [1, 2, float("inf")]}, {"std": [1, 0, 1]}, {"order": "RBG"}, {"order": ["RGB"]},
        {"maximum": 2}, {"resize": "magic"}, {"resize": {}}, {"scale": None}, {"scale": [0, 0]},
        {"std": [1, 1e-7, 1]}, {"mean": ["1", 2, 3]}, {"maximum": True}, {"mean": [1, 2]},
    ],
)  # fmt: skip
def test_pixels_that_are_none_are_refused(said: dict[str, Any]) -> None:
    right = {"scale": [40, 60], "mean": [1, 2, 3], "std": [1, 1, 1], "order": "RGB", "maximum": 1,
             "resize": "bicubic"}  # fmt: skip
    assert pixels_of(right).mean == (1, 2, 3)
    with pytest.raises(ValueError, match=r"^pixels\.\w+"):
        pixels_of({**right, **said})
