"""Our networks as ONNX files, run by ONNX Runtime and read again by us.

The independent implementation is ONNX Runtime, and the checker of `onnx` with its inference of
shapes; what they must give is what the network itself gives, to a ten-thousandth of the largest
score. Weights are drawn, biases and norms too, and scores are of the order of 1.
"""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from tests.commands.test_commands import Run
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from tests.nets.test_folding import network as network_with_norms
from verydeep import load, save
from verydeep.errors import UserError
from verydeep.exporters.onnx import onnx_bytes, write_onnx
from verydeep.exporters.torch_export import write_torch_export
from verydeep.importers.onnx import read
from verydeep.importers.to_network import to_network
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import IMAGENET, Pixels
from verydeep.verbs.weights import export_weights
from verydeep.weights import hash_of

CLASSES = ("cat", "dög", "newt", "eft", "rook", "owl", "bee")
OUTPUTS = ("scores", "posteriors", "score_map")
UNIT = Pixels((70, 80), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), maximum=1, resize="bicubic")
BGR = Pixels((70, 80), (103.9, 116.8, 123.7), (60.0, 59.0, 58.0), order="BGR")
SIZES = [(64, 64), (128, 128), (71, 201)]
"""The crop; larger; oblong, and filling no whole number of windows."""


def network(name: str = "D", pixels: Pixels = UNIT, crop: int = 64) -> Network:
    """A narrow network with biases that are not zero."""
    built = build(name, CLASSES, width=0.125, crop=crop, fc=16, pixels=pixels, initial="he")
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, parameter in built.named_parameters():
            if key.endswith(".bias"):
                parameter.normal_(0, 0.1, generator=draw)
        built.get_submodule(built.table.scores).get_parameter("weight").mul_(0.2)
    return built


def net_of_places(kind: str, numbers: int) -> Network:
    """Of three things, so many numbers each."""
    like = network("A")
    table = read_table("A", with_last(like.table.words, (f"FC-{3 * numbers}", kind)), 64)
    return Network.random(table, ["a", "b", "c"], like.pixels, "he", 0)


def pictures(height: int, width: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def run(content: bytes, given: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """What ONNX Runtime makes of it: every output by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return {k: torch.tensor(v) for k, v in zip(names, session.run(names, given), strict=True)}


@torch.no_grad()
def ours(built: Network, rgb: np.ndarray) -> dict[str, Tensor]:
    images = built.pixels.normalise(torch.tensor(rgb))
    return {
        "scores": built(images),
        "posteriors": built.posteriors(images),
        "score_map": built.score_map(images),
    }


def assert_the_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, values in found.items():
        assert expected[name].std() > 1e-3
        most = expected[name].abs().max().item()
        torch.testing.assert_close(values, expected[name], rtol=0, atol=1e-4 * most)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", vgg.CONFIGURATIONS)
def test_onnx_runtime_gives_the_networks_scores(name: str, size: tuple[int, int]) -> None:
    built, rgb = network(name), pictures(*size)
    found = run(onnx_bytes(built, OUTPUTS), {"pictures": rgb})
    assert tuple(found) == OUTPUTS
    assert_the_same(found, ours(built, rgb))


@pytest.mark.filterwarnings("ignore:The given buffer is not writable")
@pytest.mark.parametrize("size", SIZES)
def test_a_net_of_boxes_gives_them_at_each_position_and_no_posteriors(
    size: tuple[int, int], tmp_path: Path
) -> None:
    built, rgb = net_of_places("boxes", 4), pictures(*size)
    found = run(onnx_bytes(built), {"pictures": rgb})
    assert_the_same(found, {"score_map": ours(built, rgb)["score_map"]})
    assert found["score_map"].shape[1] == 12
    said = write_torch_export(built, tmp_path / "b.pt2")
    assert said.endswith("out come boxes in shares of the crop of each position")
    again = torch.export.load(tmp_path / "b.pt2").module()(torch.tensor(rgb))
    assert_the_same({"score_map": again.detach()}, found)
    with pytest.raises(UserError, match="a net that finds boxes has no posteriors; ask for its"):
        onnx_bytes(built, ["posteriors"])


@pytest.mark.parametrize(("kind", "numbers"), [("boxes", 4), ("objects", 4), ("points", 2)])
def test_nets_of_places_come_back_as_they_were(kind: str, numbers: int) -> None:
    built = net_of_places(kind, numbers)
    said = write_onnx(built, "a.onnx")
    assert said.endswith(f"out come 'score_map', {kind} in shares of the crop of each position")
    found = to_network(read("a.onnx"), "a.onnx").network
    assert found.table == built.table
    assert hash_of(found) == hash_of(built)


@pytest.mark.parametrize(
    "family", ["caffe:a.caffemodel", "keras:a.weights.h5", "torchvision:a.pth"]
)
def test_families_without_a_place_for_boxes_refuse_them_in_a_line(family: str) -> None:
    save(net_of_places("boxes", 4), "b.safetensors")
    name, out = family.split(":")
    with pytest.raises(
        UserError, match=r"has no place for 'places' \(boxes\) of A; take --to onnx"
    ):
        export_weights(Path("b.safetensors"), name, Path(out))
    assert not Path(out).exists()


@pytest.mark.parametrize("size", SIZES)
def test_norms_go_along(size: tuple[int, int]) -> None:
    built, rgb = network_with_norms("D"), pictures(*size)
    content = onnx_bytes(built, OUTPUTS)
    assert_the_same(run(content, {"pictures": rgb}), ours(built, rgb))
    ops = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert ops.count("BatchNormalization") == 13


@pytest.mark.parametrize("pixels", [IMAGENET, UNIT, BGR])
@torch.no_grad()
def test_pictures_are_made_the_networks_own_pixels_in_the_graph(pixels: Pixels) -> None:
    """Pixels worked out here in float64, from what their names mean."""
    built, rgb = network("A", pixels), pictures(64, 80)
    ordered = rgb[..., ::-1] if pixels.order == "BGR" else rgb
    values = (ordered / 255 * pixels.maximum - np.array(pixels.mean)) / np.array(pixels.std)
    images = torch.tensor(values, dtype=torch.float32).permute(0, 3, 1, 2)
    found = run(onnx_bytes(built, ["scores"]), {"pictures": rgb})
    assert_the_same(found, {"scores": built(images)})


@pytest.mark.parametrize("name", vgg.CONFIGURATIONS)
def test_the_checker_takes_every_configuration(name: str) -> None:
    model = onnx.load_from_string(onnx_bytes(network(name), (*OUTPUTS, "fc8", "pool2", "drop6")))
    onnx.checker.check_model(model, full_check=True)
    found = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*found.graph.input, *found.graph.output)
    }
    assert shapes == {
        "pictures": ["B", "H", "W", 3],
        "scores": ["B", 7],
        "posteriors": ["B", 7],
        "score_map": ["B", 7, "rows", "columns"],
        "fc8": ["B", 7, "fc8 rows", "fc8 columns"],
        "pool2": ["B", 16, "pool2 rows", "pool2 columns"],
        "drop6": ["B", 16, "drop6 rows", "drop6 columns"],
    }
    assert (found.ir_version, found.opset_import[0].version) == (8, 17)


def test_nodes_are_the_rows_of_the_table() -> None:
    """Counted by hand from Table 1: dropout and the soft-max of each position are left out.

    Before them the picture is cut, by arithmetic on its shape.
    """
    ops = [node.op_type for node in onnx.load_from_string(onnx_bytes(network("D"))).graph.node]
    assert (ops[0], ops[10]) == ("Shape", "Slice")
    ops = ops[11:]
    assert ops[:4] == ["Transpose", "Cast", "Mul", "Add"]
    body = "C C M C C M C C C M C C C M C C C M C C C".replace("C", "Conv Relu").split()
    assert ops[4:-2] == [op.replace("M", "MaxPool") if op == "M" else op for op in body][:-1]
    assert ops[-2:] == ["ReduceMean", "Softmax"]


@torch.no_grad()
def test_any_row_comes_out_and_nothing_is_kept_that_it_does_not_need() -> None:
    built, rgb = network("A-LRN"), pictures(64, 64)
    names = ["norm1_1", "pool2"]
    content = onnx_bytes(built, names)
    expected = built.activations(built.pixels.normalise(torch.tensor(rgb)), names)
    assert_the_same(run(content, {"pictures": rgb}), expected)
    held = {tensor.name for tensor in onnx.load_from_string(content).graph.initializer}
    layers = ("conv1_1", "conv2_1")
    pixels = {"gain", "offset", "least", "step", "span", "none", "two", "axes"}
    assert held == {f"{n}.{k}" for n in layers for k in ("weight", "bias")} | pixels


@torch.no_grad()
def test_a_graph_may_begin_at_what_a_row_gave() -> None:
    """So that a map made of tiles is scored as a whole."""
    built = network("B")
    values = torch.randn(2, 64, 3, 5, generator=torch.Generator().manual_seed(0))
    found = run(onnx_bytes(built, ["score_map"], begin="pool5"), {"pool5": values.numpy()})
    assert_the_same(found, {"score_map": built.run({"pool5": values}, ["scores"])["scores"]})


def test_outputs_and_beginnings_that_are_none_are_named() -> None:
    built = network("A")
    with pytest.raises(UserError, match="no layer 'logits' in configuration A; its last conv"):
        onnx_bytes(built, ["logits"])
    with pytest.raises(UserError, match="no layer 'pool9' in configuration A; its last conv"):
        onnx_bytes(built, begin="pool9")


def test_a_net_over_2_gb_is_not_written() -> None:
    large = Network.empty(vgg.table("E", width=4), [str(i) for i in range(1000)], IMAGENET)
    with pytest.raises(UserError, match="bytes of weights are more than the 2 GB that ONNX takes"):
        write_onnx(large, "out.onnx")
    assert not Path("out.onnx").exists()


def test_writing_takes_no_copy_of_the_weights() -> None:
    built = build("A", 7, width=0.25, crop=64, pixels=IMAGENET)
    size = sum(p.nbytes for p in built.parameters())
    assert size > 8e6
    tracemalloc.start()
    try:
        write_onnx(built, "a.onnx")
        assert tracemalloc.get_traced_memory()[1] < size / 10
    finally:
        tracemalloc.stop()
    assert Path("a.onnx").stat().st_size == pytest.approx(size, rel=0.01)


# --- read again


@pytest.mark.parametrize(
    ("name", "pixels", "crop"),
    [
        (name, [UNIT, BGR, IMAGENET][i % 3], 64 + 10 * i)
        for i, name in enumerate(vgg.CONFIGURATIONS)
    ],
)
def test_what_is_exported_comes_back_to_the_bit(name: str, pixels: Pixels, crop: int) -> None:
    """A-LRN too, whose layers are A's, and crops that are no multiple of 32."""
    built = network(name, pixels, crop)
    said = write_onnx(built, "out.onnx")
    assert said == ("in go 'pictures', RGB, uint8 [B, H, W, 3]; out come 'scores', 'posteriors'")
    found = to_network(read("out.onnx"), "out.onnx")
    assert found.notes == ()
    back = found.network
    assert (back.table, back.classes, back.pixels) == (built.table, CLASSES, pixels)
    assert hash_of(back) == hash_of(built)


def test_score_maps_and_norms_come_back_too() -> None:
    built = network_with_norms("D")
    for outputs in (OUTPUTS, OUTPUTS[::-1], ("score_map",), ("posteriors",)):
        write_onnx(built, "out.onnx", outputs)
        back = to_network(read("out.onnx"), "out.onnx").network
        assert (back.table, hash_of(back)) == (built.table, hash_of(built))


def test_a_file_says_what_a_user_has_to_know() -> None:
    write_onnx(network("C"), "out.onnx")
    model = onnx.load("out.onnx")
    (entry,) = model.metadata_props
    said = json.loads(entry.value)
    assert (entry.key, model.producer_name) == ("verydeep", "verydeep")
    assert tuple(said["classes"]) == CLASSES
    assert said["pixels"]["mean"] == [0.4, 0.5, 0.6]
    assert (said["table"]["name"], said["table"]["crop"]) == ("C", 64)
    assert said["table"]["words"][:3] == ["conv3-8", "conv3-8", "maxpool"]


def with_table(built: Network, **said: Any) -> Path:
    """The network's file, with other words about its table."""
    write_onnx(built, "out.onnx")
    model = onnx.load("out.onnx")
    words = json.loads(model.metadata_props[0].value)
    words["table"] |= said
    model.metadata_props[0].value = json.dumps(words)
    onnx.save(model, "out.onnx")
    return Path("out.onnx")


@pytest.mark.parametrize(
    "said",
    [
        {"words": None}, {"words": ["conv3-8"] * 1025}, {"words": [3]}, {"words": []},
        {"words": ["soft-max"]}, {"words": ["FC-1", "soft-max"]}, {"words": "conv3-8"},
        {"crop": 0}, {"crop": "64"}, {"crop": True}, {"crop": 1 << 40}, {"name": "A\n"},
        {"name": "A" * 65}, {"name": None},
        {"words": ["conv3-8", "FC-7", "LRN"]}, {"words": ["conv3-8", "soft-max", "FC-7"]},
        {"words": ["conv3-8", "FC-7", "soft-max", "soft-max"]},
        {"words": ["conv3-8", "FC-7", "maxpool", "soft-max"]},
        {"words": ["conv3-8", "LRN", "LRN", "FC-7", "soft-max"]},
        {"words": ["conv3-99999999999999999999", "FC-7", "soft-max"]},
    ],
)  # fmt: skip
def test_tables_that_are_none_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="under 'verydeep' is out of form"):
        read(with_table(network("A"), **said))


@pytest.mark.parametrize(
    ("crop", "words", "line"),
    [
        (96, {}, "has fc6.weight of 16 x 64 x 2 x 2; .* it must be 16 x 64 x 3 x 3"),
        (64, {0: "conv3-99999999"}, "has conv1_1.weight of 8 x 3 x 3 x 3; .* 99999999"),
        (64, {-2: "FC-99999999"}, "has fc8.weight of 7 x 16 x 1 x 1; .* 99999999"),
        (64, {1: "conv3-8"}, "lacks conv1_2.weight, which its other layers need"),
        (64, {0: "conv3-8-bn"}, "lacks bn1_1.weight, which its other layers need"),
    ],
)
def test_tables_that_the_tensors_do_not_fill_are_refused(
    crop: int, words: dict[int, str], line: str
) -> None:
    """Whatever a table asks for, no memory is taken for it."""
    built = network("A")
    changed = list(built.table.words)
    for place, word in words.items():
        changed[place] = word
    path = with_table(built, crop=crop, words=changed)
    with pytest.raises(UserError, match=f"^out.onnx {line}"):
        to_network(read(path), path)


@pytest.mark.parametrize("changes", [{"axes": [1, 2]}, {"axes": [2]}, {}])
def test_means_over_anything_but_space_are_refused(changes: dict[str, Any]) -> None:
    model = onnx.load_from_string(onnx_bytes(network("A")))
    node = next(node for node in model.graph.node if node.op_type == "ReduceMean")
    del node.attribute[:]
    node.attribute.extend(onnx.helper.make_attribute(k, v) for k, v in changes.items())
    onnx.save(model, "out.onnx")
    with pytest.raises(UserError, match="a ReduceMean is not over height and width; it has 11 Con"):
        read("out.onnx")


# --- the command


def test_the_command_writes_a_file_that_import_takes_back(verydeep: Run) -> None:
    built = network("A-LRN", BGR, 70)
    save(built, "ours.safetensors")
    said = verydeep("weights", "export", "ours.safetensors", "--to", "onnx", "--out", "a.onnx")
    assert said.out == (
        "a.onnx: for onnx; in go 'pictures', RGB, uint8 [B, H, W, 3]; out come 'scores', "
        "'posteriors'\n"
    )
    rgb = pictures(70, 90)
    assert_the_same(run(Path("a.onnx").read_bytes(), {"pictures": rgb}), ours(built, rgb))

    said = verydeep("weights", "show", "a.onnx")
    assert "net      A-LRN, crop 70, " in said.out
    assert "note" not in said.out
    said = verydeep("weights", "import", "a.onnx", "--out", "again.safetensors")
    assert said.out.startswith("again.safetensors: A-LRN, crop 70, ")
    back = load("again.safetensors")
    assert (back.table, back.classes, back.pixels) == (built.table, CLASSES, BGR)
    assert hash_of(back) == hash_of(built)


def test_what_cannot_be_written_gets_one_line(verydeep: Run) -> None:
    save(network("A"), "ours.safetensors")
    Path("text").write_text("hello")
    said = verydeep("weights", "export", "ours.safetensors", "--to", "onnx", "--out", "text/a.onnx")
    assert "cannot write text/a.onnx (" in said.mistake
    said = verydeep("weights", "export", "text", "--to", "onnx", "--out", "a.onnx")
    assert "text is no weights file of verydeep's" in said.mistake
    assert not Path("a.onnx").exists()
