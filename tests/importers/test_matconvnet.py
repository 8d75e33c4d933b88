"""MatConvNet's files: level 5 written here by scipy, 7.3 by h5py with MATLAB's conventions.

Expected tensors are what was written, index by index; expected scores come from the family's own
arithmetic in `foreign_nets`. Big-endian and hostile level 5 files are put together by hand.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from tests.foreign_nets import (
    Weights,
    assert_refused,
    assert_refused_or_read,
    assert_runs_like,
    assert_same,
    damaged,
    peak_of_reading,
    picture,
    random_weights,
    scores,
    tiny,
)
from verydeep.formats import mat5, mat73
from verydeep.importers import matconvnet
from verydeep.importers.to_network import to_network
from verydeep.pictures.preprocessing import Pixels

MEAN = (123.68, 116.779, 103.939)
WNIDS = [f"n{i:08}" for i in range(10)]
DESCRIPTIONS = [f"thing {i}, matter" for i in range(10)]
NAMED = tuple(f"n0000000{i} thing {i}" for i in range(10))


def meta(count: int) -> dict[str, Any]:
    return {
        "normalization": {
            "imageSize": np.array([64.0, 64.0, 3.0]),
            "border": np.array([32.0, 32.0]),
            "averageImage": np.array(MEAN, np.float32).reshape(1, 1, 3),
            "interpolation": "bicubic",
        },
        "classes": {"name": WNIDS[:count], "description": DESCRIPTIONS[:count]},
    }


def steps(weights: Weights) -> Iterator[tuple[str, str]]:
    """Types and names of the layers of a net, as MatConvNet's own models have them."""
    names = list(weights)
    for name, after in zip(names, [*names[1:], ""], strict=True):
        yield "conv", name
        if after or name.startswith("conv"):
            yield "relu", f"relu{name.removeprefix('conv')}"
        if name.startswith("conv") and name[4] != after[4:5]:
            yield "pool", f"pool{name[4]}"
    yield "softmax", "prob"


def pad_of(name: str) -> np.ndarray:
    """Top, bottom, left, right: FC layers have no border."""
    return np.full((1, 4), 0.0 if name.startswith("fc") else 1.0)


POOL: dict[str, Any] = {"method": "max", "stride": np.array([[2.0, 2.0]]), "pad": np.zeros((1, 4))}


def simplenn(weights: Weights) -> dict[str, Any]:
    """A net as MatConvNet's releases since beta 16 have it."""
    layers: list[dict[str, Any]] = []
    for kind, name in steps(weights):
        fields: dict[str, Any] = {}
        if kind == "conv":
            fields = {"weights": list(weights[name]), "pad": pad_of(name),
                      "stride": np.ones((1, 2)), "dilate": 1.0, "opts": []}  # fmt: skip
        elif kind == "pool":
            fields = POOL | {"pool": np.array([[2.0, 2.0]])}
        elif kind == "relu":
            fields = {"leak": 0.0, "precious": False}
        layers.append({"name": name, "type": kind, **fields})
    count = len(next(reversed(weights.values()))[1])
    return {"layers": layers, "meta": meta(count)}


def older(weights: Weights) -> dict[str, Any]:
    """As before beta 16: filters and biases by name, a whole mean picture, no meta."""
    net = simplenn(weights)
    for layer in net["layers"]:
        if layer["type"] == "conv":
            layer["filters"], layer["biases"] = layer.pop("weights")
        if layer["type"] == "relu":
            del layer["leak"]
    picture = np.arange(64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3) % 251
    about = meta(10)
    about["normalization"]["averageImage"] = picture
    return {"layers": net["layers"], **about}


def dagnn(weights: Weights) -> dict[str, Any]:
    """A graph as its saveobj gives it, in a variable of its own; its layers are in any order."""
    params, layers = [], []
    blocks: dict[str, dict[str, Any]] = {
        "conv": {"hasBias": True, "stride": np.ones((1, 2)), "dilate": 1.0},
        "relu": {"useShortCircuit": True, "leak": 0.0},
        "pool": POOL | {"poolSize": np.array([[2.0, 2.0]])},
        "softmax": {},
    }
    types = {"conv": "Conv", "relu": "ReLU", "pool": "Pooling", "softmax": "SoftMax"}
    value = "input"
    for kind, name in steps(weights):
        block = blocks[kind] | ({"pad": pad_of(name)} if kind == "conv" else {})
        own = [f"{name}f", f"{name}b"] if kind == "conv" else []
        for each, array in zip(own, weights.get(name, ()), strict=bool(own)):
            params.append({"name": each, "value": array, "learningRate": 1.0})
        layers.append({"name": name, "type": f"dagnn.{types[kind]}", "inputs": [value],
                       "outputs": [f"{name}x"], "params": own, "block": block})  # fmt: skip
        value = f"{name}x"
    params.reverse()
    layers.reverse()
    count = len(next(reversed(weights.values()))[1])
    return {"net": {"vars": (), "params": tuple(params), "layers": tuple(layers),
                    "meta": meta(count)}}  # fmt: skip


def for_scipy(value: Any) -> Any:
    """Lists as cell arrays, tuples as struct arrays."""
    if isinstance(value, dict):
        return {k: for_scipy(v) for k, v in value.items()}
    if isinstance(value, tuple):
        fields = list(value[0]) if value else []
        array = np.zeros((1, len(value)), [(name, object) for name in fields] or object)
        for i, element in enumerate(value):
            for name in fields:
                array[0, i][name] = for_scipy(element[name])
        return array
    if isinstance(value, list):
        cells = np.empty((1, len(value)), object)
        for i, element in enumerate(value):
            cells[0, i] = for_scipy(element)
        return cells
    return value


def level5(path: Path, net: dict[str, Any]) -> Path:
    savemat(path, for_scipy(net), do_compression=False, oned_as="row")
    return path


def level5_compressed(path: Path, net: dict[str, Any]) -> Path:
    savemat(path, for_scipy(net), do_compression=True, oned_as="row")
    return path


def level73(path: Path, net: dict[str, Any]) -> Path:
    return write73(path, net)


def level73_compressed(path: Path, net: dict[str, Any]) -> Path:
    return write73(path, net, compression="gzip", chunks=True)


def write73(path: Path, net: dict[str, Any], **how: Any) -> Path:
    """MATLAB's own conventions: its header before the file, axes reversed, cells in #refs#."""
    with h5py.File(path, "w", userblock_size=512, libver="earliest") as file:
        refs = file.create_group("#refs#")
        for name, value in net.items():
            put73(file, refs, name, value, how)
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 .".ljust(116) + bytes(8)
    with path.open("r+b") as file:
        file.write(head + b"\x00\x02IM")
    return path


_NUMBERS = itertools.count()


def put73(group: h5py.Group, refs: h5py.Group, name: str, value: Any, how: dict[str, Any]) -> None:
    def reference(element: Any) -> h5py.Reference:
        inner = f"r{next(_NUMBERS)}"
        put73(refs, refs, inner, element, how)
        return refs[inner].ref

    def matlab_class(kind: str) -> None:
        group[name].attrs["MATLAB_class"] = np.bytes_(kind)

    if isinstance(value, dict):
        group.create_group(name)
        for field, inner in value.items():
            put73(group[name], refs, field, inner, how)
        matlab_class("struct")
    elif isinstance(value, list | tuple | str) and not value:
        group[name] = np.zeros(2, np.uint64)
        matlab_class({"list": "cell", "tuple": "struct", "str": "char"}[type(value).__name__])
        group[name].attrs["MATLAB_empty"] = np.uint8(1)
    elif isinstance(value, tuple):
        group.create_group(name)
        for field in value[0]:
            found = np.array([[reference(element[field])] for element in value], h5py.ref_dtype)
            group[name][field] = found
        matlab_class("struct")
    elif isinstance(value, list):
        found = np.array([[reference(element)] for element in value], h5py.ref_dtype)
        group[name] = found
        matlab_class("cell")
    elif isinstance(value, str):
        group[name] = np.array([[ord(c)] for c in value], np.uint16)
        matlab_class("char")
        group[name].attrs["MATLAB_int_decode"] = np.int32(2)
    else:
        numbers = np.atleast_2d(np.asarray(value))
        kind = {"f4": "single", "f8": "double", "b1": "logical"}[numbers.dtype.str[1:]]
        numbers = numbers.astype(np.uint8) if kind == "logical" else numbers
        group.create_dataset(name, data=numbers.T, **(how if numbers.size > 50 else {}))
        matlab_class(kind)


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    """An element of level 5 in its long form."""
    return struct.pack(order + "II", kind, len(content)) + content + bytes(-len(content) % 8)


def array(kind: int, dims: tuple[int, ...], rest: bytes, name: str = "", order: str = "<") -> bytes:
    """An array of level 5: flags, shape, name, and what its class has."""
    head = element(6, struct.pack(order + "II", kind, 0), order)
    shape = element(5, struct.pack(f"{order}{len(dims)}i", *dims), order)
    return element(14, head + shape + element(1, name.encode(), order) + rest, order)


def by_hand(value: Any, name: str = "", order: str = "<") -> bytes:
    """A value as level 5, little or big endian."""
    if isinstance(value, dict):
        names = b"".join(key.encode().ljust(32, b"\0") for key in value)
        width = element(5, struct.pack(order + "i", 32), order)
        fields = b"".join(by_hand(inner, "", order) for inner in value.values())
        return array(2, (1, 1), width + element(1, names, order) + fields, name, order)
    if isinstance(value, list):
        cells = b"".join(by_hand(inner, "", order) for inner in value)
        return array(1, (1, len(value)), cells, name, order)
    if isinstance(value, str):
        text = value.encode("utf-16-be" if order == ">" else "utf-16-le")
        return array(4, (1, len(value)), element(4, text, order), name, order)
    numbers = np.atleast_2d(np.asarray(value))
    kind, stored = {"f4": (7, 7), "f8": (6, 9), "b1": (9, 2)}[numbers.dtype.str[1:]]
    content = numbers.astype(order + numbers.dtype.str[1:]).tobytes("F")
    return array(kind, numbers.shape, element(stored, content, order), name, order)


def hand_made(path: Path, variables: list[bytes], order: str = "<") -> Path:
    version = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + version + b"".join(variables))
    return path


WRITERS = [level5, level5_compressed, level73, level73_compressed]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", [simplenn, older, dagnn])
@pytest.mark.parametrize("letter", ["D", "E"])
def test_weights_come_out_as_they_went_in(
    tmp_path: Path,
    writer: Callable[..., Path],
    kind: Callable[[Weights], dict[str, Any]],
    letter: str,
) -> None:
    weights = random_weights(letter)
    path = writer(tmp_path / "vgg.mat", kind(weights))
    assert matconvnet.is_matconvnet(path)
    found = matconvnet.read(path)
    assert_same(found, weights)
    assert (found.family, found.classes) == ("MatConvNet", NAMED)
    mean = MEAN
    if kind is older:
        average = older(weights)["normalization"]["averageImage"]
        red, green, blue = (float(np.mean(average[:, :, c], dtype=np.float64)) for c in range(3))
        mean = red, green, blue
        assert found.notes[0] == "its mean picture of 64 x 64 is taken as its mean of each channel"
    assert np.allclose(found.pixels.mean, mean, rtol=1e-7, atol=0)
    assert found.pixels == Pixels((96, 96), found.pixels.mean, resize="bicubic")
    assert_runs_like(letter, found, scores(weights, picture() - np.array(mean)))


def test_big_endian_files_are_read(tmp_path: Path) -> None:
    weights = random_weights()
    net = simplenn(weights)
    for order in "<>":
        variables = [by_hand(value, name, order) for name, value in net.items()]
        found = matconvnet.read(hand_made(tmp_path / "vgg.mat", variables, order))
        assert_same(found, weights)
        assert (found.pixels.scale, found.classes) == ((96, 96), NAMED)


def test_every_value_of_level_5_is_read(tmp_path: Path) -> None:
    """MATLAB keeps whole doubles in bytes; complex, sparse and objects are passed over."""
    narrow = array(6, (2, 2), element(2, bytes([1, 2, 3, 4])), "narrow")
    handle = array(16, (1, 1), element(1, b"whatever"), "handle")
    lines = array(4, (2, 3), element(1, b"adbecf"), "lines")
    savemat(tmp_path / "x.mat", {
        "a": np.arange(24, dtype=np.int16).reshape(2, 3, 4), "z": np.array([1j]),
        "s": "häuser", "e": np.zeros((0, 3)),
    })  # fmt: skip
    start = (tmp_path / "x.mat").read_bytes()
    (tmp_path / "x.mat").write_bytes(start + narrow + handle + lines)
    found = mat5.read(tmp_path / "x.mat")
    assert np.array_equal(found["a"], np.arange(24).reshape(2, 3, 4))
    assert np.array_equal(found["narrow"], [[1, 3], [2, 4]])
    assert found["s"] == "häuser"
    assert found["lines"] == "abc\ndef"
    assert found["e"].shape == (0, 3)
    unread = {value.kind for value in found.values() if isinstance(value, mat5.Unread)}
    assert unread == {"function handle", "complex matrix"}


def test_pixels_and_classes_that_are_missing_are_noted(tmp_path: Path) -> None:
    net = simplenn(random_weights())
    del net["meta"]["normalization"]
    net["meta"]["classes"] = {"name": WNIDS[:3], "description": DESCRIPTIONS[:3]}
    for writer in WRITERS:
        found = matconvnet.read(writer(tmp_path / "x.mat", net))
        assert found.classes is None
        assert found.guessed == ("pixels", "scale")
        assert found.notes == ("names 3 classes for 10 scores; left out",)


def test_nets_that_are_no_vgg_are_named(tmp_path: Path) -> None:
    weights = random_weights()
    kernel, bias = weights["conv1_1"]
    for writer in WRITERS:

        def refused(net: dict[str, Any], reason: str, writer: Any = writer) -> None:
            assert_refused(matconvnet.read, writer(tmp_path / "x.mat", net), reason)

        refused({"x": np.ones(3)}, "no 'layers' of a net")
        refused(simplenn(weights | {"conv1_1": (kernel, bias[:3])}), "3 biases for 8 filters")
        wrong: Any = weights | {"conv1_1": ("text", bias)}
        refused(simplenn(wrong), "'conv1_1' are missing")
        net = simplenn(weights)
        net["meta"]["normalization"]["averageImage"] = np.array([np.nan, 1.0, 2.0])
        refused(net, "neither three numbers nor a picture")


KRIZHEVSKYS = [5.0, 2.0, 1e-4 / 5, 0.75]
"""N, kappa, alpha, beta: by the text of vl_nnnormalize, alpha is not divided by N."""


def test_settings_of_pixels_are_read_or_told(tmp_path: Path) -> None:
    net = simplenn(tiny())
    settings = net["meta"]["normalization"]
    settings["keepAspect"], settings["cropSize"] = True, np.array([0.8, 0.8])
    for writer in (level5, level73):
        found = matconvnet.read(writer(tmp_path / "x.mat", net))
        assert found.pixels.scale == (96, 96)
        assert not any("squeezes" in note for note in found.notes)
    settings["keepAspect"] = False
    del settings["border"]
    for writer in (level5, level73):
        found = matconvnet.read(writer(tmp_path / "x.mat", net))
        assert found.pixels.scale == (80, 80)
        assert found.notes[0].startswith("it squeezes its pictures to a square (keepAspect)")


def layers_of(net: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers of a net of either kind, in the order of the graph."""
    layers = net.get("net", net)["layers"]
    return layers if isinstance(layers, list) else list(reversed(layers))


def inserted(net: dict[str, Any], after: str, layer: dict[str, Any]) -> dict[str, Any]:
    """The net with another layer after one, whose fields are a block in a graph."""
    layers = layers_of(net)
    place = [each["name"] for each in layers].index(after) + 1
    if "net" not in net:
        layers.insert(place, layer)
        return net
    block = {k: v for k, v in layer.items() if k not in ("name", "type", "weights")}
    (read,) = layers[place - 1]["outputs"]
    names = [f"{layer['name']}{i}" for i in range(len(layer.get("weights", ())))]
    new = {"name": layer["name"], "type": layer["type"], "inputs": [read],
           "outputs": [f"{layer['name']}x"], "params": names, "block": block}  # fmt: skip
    layers[place]["inputs"] = new["outputs"]
    given = zip(names, layer.get("weights", ()), strict=True)
    added = [{"name": name, "value": value, "learningRate": 1.0} for name, value in given]
    net["net"]["layers"] = tuple(reversed([*layers[:place], new, *layers[place:]]))
    net["net"]["params"] = (*net["net"]["params"], *added)
    return net


KINDS: dict[str, Callable[[Weights], dict[str, Any]]] = {"simplenn": simplenn, "dagnn": dagnn}


BNORM = {"simplenn": "bnorm", "dagnn": "dagnn.BatchNorm"}


def with_lrn(kind: str, after: str, param: list[float]) -> dict[str, Any]:
    """An A with response normalisation after a layer."""
    norm = {"name": "norm", "type": {"simplenn": "normalize", "dagnn": "dagnn.LRN"}[kind],
            "param": np.array(param)}  # fmt: skip
    return inserted(KINDS[kind](random_weights("A")), after, norm)


@pytest.mark.parametrize("kind", ["simplenn", "dagnn"])
@pytest.mark.parametrize("writer", [level5, level73])
def test_response_normalisation_after_conv1_1_is_that_of_a_lrn(
    tmp_path: Path, writer: Callable[..., Path], kind: str
) -> None:
    path = writer(tmp_path / "x.mat", with_lrn(kind, "relu1_1", KRIZHEVSKYS))
    found = to_network(matconvnet.read(path), path)
    assert found.network.table.name == "A-LRN"
    assert not any("LRN" in note for note in found.notes)
    path = writer(tmp_path / "x.mat", KINDS[kind](random_weights("A")))
    assert to_network(matconvnet.read(path), path).network.table.name == "A"


@pytest.mark.parametrize("kind", ["simplenn", "dagnn"])
@pytest.mark.parametrize(
    ("after", "param"),
    [
        ("relu2_1", KRIZHEVSKYS),
        ("conv1_1", KRIZHEVSKYS),
        ("relu1_1", [5.0, 2.0, 1e-4, 0.75]),
        ("relu1_1", [5.0, 1.0, 2e-5, 0.75]),
        ("relu1_1", [3.0, 2.0, 1e-4 / 3, 0.75]),
        ("relu1_1", [5.0]),
    ],
)
def test_other_response_normalisation_is_refused(
    tmp_path: Path, kind: str, after: str, param: list[float]
) -> None:
    path = level5(tmp_path / "x.mat", with_lrn(kind, after, param))
    assert_refused(matconvnet.read, path, "response normalisation other than A-LRN's")


def told(layer: dict[str, Any], **settings: Any) -> None:
    layer.get("block", layer).update(settings)


def retyped(layer: dict[str, Any], kind: str, **settings: Any) -> None:
    told(layer, **settings)
    layer["type"] = f"dagnn.{kind}" if "block" in layer else kind.lower()


CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "average": ("pool1", lambda x: told(x, method="avg"), "'avg pooling', where .* max pooling"),
    "pool's window": ("pool2", lambda x: told(x, pool=3.0, poolSize=3.0), "has kernel 3, .* 2"),
    "pool's stride": ("pool2", lambda x: told(x, stride=np.array([[2.0, 1.0]])), "has stride 1"),
    "pool's pad": ("pool2", lambda x: told(x, pad=np.array([[0.0, 1, 0, 1]])), "has pad 1"),
    "stride": ("conv1_1", lambda x: told(x, stride=2.0), "has stride 2, where .* 1"),
    "pad": ("conv1_2", lambda x: told(x, pad=np.array([[1.0, 1, 1, 0]])), "has pad 0, where .* 1"),
    "holes": ("conv5_1", lambda x: told(x, dilate=2.0), "has dilation 2, where"),
    "leak": ("relu1_1", lambda x: told(x, leak=0.1), "with a leak of 0.1', where .* has a ReLU"),
    "sigmoid": ("relu1_1", lambda x: retyped(x, "Sigmoid"), "igmoid', where .* has a ReLU"),
    "sigmoid of fc6": ("relufc6", lambda x: retyped(x, "Sigmoid"), "igmoid', where .* a ReLU"),
    "loss": ("prob", lambda x: retyped(x, "Loss", loss="hinge"), "oss', where .* soft"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("name", list(CHANGES))
def test_a_layer_that_no_net_of_table_1_has_is_refused_by_name(
    tmp_path: Path, name: str, kind: str
) -> None:
    net = KINDS[kind](random_weights())
    place, change, reason = CHANGES[name]
    change(next(layer for layer in layers_of(net) if layer["name"] == place))
    assert_refused(
        matconvnet.read, level5(tmp_path / "x.mat", net), f"its layer '{place}' .*{reason}"
    )


@pytest.mark.parametrize("kind", list(KINDS))
def test_scores_of_a_net_with_norms_are_the_familys(tmp_path: Path, kind: str) -> None:
    """By the text of vl_nnbnorm: g (x - mu) / sigma + b, with mu and sigma in the moments."""
    weights, draw = random_weights("A"), np.random.default_rng(3)
    net, plain = KINDS[kind](weights), dict(weights)
    for name in [name for name in weights if name.startswith("conv")]:
        kernel, bias = weights[name]
        g, b, mu = (draw.standard_normal(len(bias)).astype(np.float32) for _ in range(3))
        sigma = draw.uniform(0.5, 1.5, len(bias)).astype(np.float32)
        norm = {"name": f"bn{name[4:]}", "type": BNORM[kind],
                "weights": [g, b, np.stack([mu, sigma], 1)]}  # fmt: skip
        net = inserted(net, name, norm)
        plain[name] = kernel * (g / sigma), (bias - mu) * (g / sigma) + b
    path = level5(tmp_path / "x.mat", net)
    network = to_network(matconvnet.read(path), path).network.eval()
    assert network.table.name == "A-BN"
    with torch.inference_mode():
        found = network(network.pixels.normalise(torch.from_numpy(picture()[None])))[0].numpy()
    expected = scores(plain, picture() - np.array(MEAN))
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_graph_that_branches_is_refused(tmp_path: Path) -> None:
    net = dagnn(random_weights())
    layer = next(layer for layer in net["net"]["layers"] if layer["name"] == "relu2_1")
    layer["inputs"] = ["relu1_1x"]
    reason = "its layers '.*' and '.*' read the same value: it branches"
    assert_refused(matconvnet.read, level5(tmp_path / "x.mat", net), reason)


def test_other_files_are_not_matlabs(tmp_path: Path) -> None:
    for content in (b"", b"MATLAB 7.3", bytes(600), b"\x89HDF\r\n\x1a\n" + bytes(600)):
        (tmp_path / "x").write_bytes(content)
        assert not matconvnet.is_matconvnet(tmp_path / "x")
        assert_refused(matconvnet.read, tmp_path / "x", "no MATLAB file of level 5")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("writers", "count"),
    [
        ((level5, level5_compressed), 200),
        ((level73, level73_compressed), 120),
        pytest.param((level5, level5_compressed), 1200, marks=pytest.mark.slow),
    ],
)
def test_damaged_files_are_refused_or_read(
    tmp_path: Path, writers: tuple[Callable[..., Path], ...], count: int
) -> None:
    """Cut, changed and spliced files; numbers and names may change unseen, nothing else."""
    contents = [
        writer(tmp_path / "x.mat", kind(tiny())).read_bytes()
        for writer in writers
        for kind in (simplenn, older, dagnn)
    ]
    changed = damaged(contents, count, 1)
    assert assert_refused_or_read(matconvnet.read, tmp_path / "x.mat", changed) > count // 4


@pytest.mark.timeout(60)
def test_every_byte_of_a_level_5_file_may_be_anything(tmp_path: Path) -> None:
    content = level5(tmp_path / "x.mat", simplenn({"conv1_1": tiny()["conv1_1"]})).read_bytes()

    def changed() -> Iterator[bytes]:
        for at in range(124, len(content), 4):
            value = (0, 255, content[at] ^ 1)[at // 4 % 3]
            yield content[:at] + bytes([value]) + content[at + 1 :]

    assert assert_refused_or_read(matconvnet.read, tmp_path / "x.mat", changed()) > 100


@pytest.mark.timeout(60)
def test_absurd_level_5_files_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    big = (2**31 - 1,) * 30
    cases = {
        "numbers has 4 bytes": array(7, big, element(7, bytes(4))),
        "no room for them": array(1, big, b""),
        "an array ends before its time": array(6, (1, 1), b""),
        "is cut short": struct.pack("<II", 14, 2**32 - 1),
        "has a shape that is none": array(6, (-1, -1), element(9, bytes(8))),
        "cannot hold": struct.pack("<II", 15, 60)
        + zlib.compress(struct.pack("<II", 14, 2**32 - 8)).ljust(60, b"\0"),
        "over 100,000 arrays": array(1, (1, 200_000), element(14, b"") * 200_000),
        "unknown class": array(99, (1, 1), b""),
    }
    for reason, content in cases.items():
        assert_refused(mat5.read, hand_made(path, [content]), reason)
    structs = element(5, struct.pack("<i", 32)) + element(1, b"field".ljust(32, b"\0"))
    assert_refused(mat5.read, hand_made(path, [array(2, big, structs)]), "no room for them")


@pytest.mark.timeout(60)
def test_level_5_bombs_take_no_memory(tmp_path: Path) -> None:
    """Zeros by the quarter of a gigabyte, as said and unsaid."""
    honest = array(7, (1, 1 << 26), element(7, b""))[:-8] + struct.pack("<II", 7, 1 << 28)
    stream = zlib.compressobj(1)
    content = b"".join([
        stream.compress(struct.pack("<II", 14, len(honest) - 8 + (1 << 28)) + honest[8:]),
        *(stream.compress(bytes(1 << 20)) for _ in range(256)), stream.flush(),
    ])  # fmt: skip
    whole = struct.pack("<II", 15, len(content)) + content
    assert_refused(mat5.read, hand_made(tmp_path / "x.mat", [whole]), "cannot hold")
    content = zlib.compress(array(7, (1, 1), element(7, bytes(4))) + bytes(1 << 26), 1)
    unsaid = struct.pack("<II", 15, len(content)) + content
    assert_refused(mat5.read, hand_made(tmp_path / "x.mat", [unsaid]), "more than it says")
    content = zlib.compress(array(7, (1, 1), element(7, bytes(4))))
    for short in (content[:-9], content[:-1]):
        cut = struct.pack("<II", 15, len(short)) + short
        assert_refused(mat5.read, hand_made(tmp_path / "x.mat", [cut]), "before its time")


@pytest.mark.timeout(60)
def test_nesting_comes_to_an_end(tmp_path: Path) -> None:
    content = b""
    for _ in range(5000):
        content = array(1, (1, 1), content)
    assert_refused(mat5.read, hand_made(tmp_path / "x.mat", [content]), "nested over 32 deep")
    value: Any = 1.0
    for _ in range(100):
        value = {"f": value}
    assert_refused(mat73.read, level73(tmp_path / "x.mat", {"layers": value}), "nested over 32")


@pytest.mark.timeout(60)
def test_references_in_circles_and_crowds_come_to_an_end(tmp_path: Path) -> None:
    path = level73(tmp_path / "x.mat", {"layers": [1.0, 2.0]})
    with h5py.File(path, "a") as file:
        file["layers"][1] = file["layers"].ref
    assert_refused(matconvnet.read, path, "round in a circle")
    path = level73(tmp_path / "x.mat", {"layers": [1.0, 2.0]})
    with h5py.File(path, "a") as file:  # each of 30 cells holds the one before a thousand times
        for i in range(30):
            inner = file[f"#refs#/c{i - 1}"].ref if i else file["layers"][1, 0]
            file[f"#refs#/c{i}"] = np.array([[inner]] * 1000, h5py.ref_dtype)
            file[f"#refs#/c{i}"].attrs["MATLAB_class"] = np.bytes_("cell")
        file["layers"][0] = file["#refs#/c29"].ref
    assert len(mat73.read(path)["layers"][0]) == 1000
    with h5py.File(path, "a") as file:
        file["layers"][0] = h5py.Reference()
    assert_refused(matconvnet.read, path, "cannot be read")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("writer", WRITERS)
def test_all_of_d_is_read_within_its_own_size_and_half(
    tmp_path: Path, writer: Callable[..., Path]
) -> None:
    path = writer(tmp_path / "vgg.mat", simplenn(random_weights("D", width=1.0)))
    size = path.stat().st_size
    assert size > 450_000_000
    assert peak_of_reading("matconvnet", path) < 2.5 * size
