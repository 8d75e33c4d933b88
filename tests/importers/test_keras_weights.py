"""Keras's weight files: written here by h5py as Keras's versions lay them out, read by ours.

Expected tensors are what was written, index by index; expected scores come from the family's own
arithmetic in `foreign_nets`.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from tests.foreign_nets import (
    Weights,
    as_network,
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
from verydeep.errors import UserError
from verydeep.exporters import keras as keras_exporter
from verydeep.formats import hdf5
from verydeep.importers import keras
from verydeep.importers.guesses import WINDOWS
from verydeep.importers.parameters import AUTHORS
from verydeep.importers.to_network import to_network
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.nets.table import Table
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import Pixels

MEAN = (103.939, 116.779, 123.68)
PIXELS = Pixels((64, 64), MEAN, order="BGR")
HEADS = {"fc6": "fc1", "fc7": "fc2", "fc8": "predictions"}


def keras_name(name: str) -> str:
    return HEADS.get(name) or name.replace("conv", "block").replace("_", "_conv")


def keras_kernel(name: str, kernel: np.ndarray) -> np.ndarray:
    """An FC layer's rows go through H, W, C."""
    return kernel.reshape(-1, kernel.shape[3]) if name.startswith("fc") else kernel


def write_groups(root: h5py.Group, weights: Weights, version: int, **how: object) -> None:
    """A group for each layer, those without weights too, with the attributes that Keras writes."""
    layers = ["input_1", *map(keras_name, weights), "block1_pool", "flatten"]
    root.attrs["layer_names"] = [name.encode() for name in layers]
    root.attrs["backend"] = b"tensorflow"
    for name in layers:
        root.create_group(name).attrs["weight_names"] = []
    for name, (kernel, bias) in weights.items():
        group = root[keras_name(name)]
        if version == 1:
            names = [f"{keras_name(name)}_W_1:0", f"{keras_name(name)}_b_1:0"]
        else:
            names = [f"{keras_name(name)}/kernel:0", f"{keras_name(name)}/bias:0"]
        group.attrs["weight_names"] = [each.encode() for each in names]
        group.create_dataset(names[0], data=keras_kernel(name, kernel), **how)
        group.create_dataset(names[1], data=bias)


def keras1(path: Path, weights: Weights, libver: str = "earliest") -> Path:
    with h5py.File(path, "w", libver=libver) as file:
        write_groups(file, weights, 1)
    return path


def keras2(path: Path, weights: Weights, libver: str = "earliest") -> Path:
    with h5py.File(path, "w", libver=libver) as file:
        file.attrs["keras_version"] = "2.15.0"
        write_groups(file, weights, 2)
    return path


def compressed(path: Path, weights: Weights) -> Path:
    with h5py.File(path, "w", libver="earliest") as file:
        write_groups(file, weights, 2, compression="gzip", shuffle=True, fletcher32=True)
    return path


def of_a_model(path: Path, weights: Weights) -> Path:
    """As in a model's file, beside the moments of an optimizer, of the same names and shapes."""
    with h5py.File(path, "w", libver="earliest") as file:
        write_groups(file.create_group("model_weights"), weights, 2)
        file["model_weights"].create_group("top_level_model_weights")
        moments = {k: (np.zeros_like(a), np.zeros_like(b)) for k, (a, b) in weights.items()}
        write_groups(file.create_group("optimizer_weights").create_group("Adam"), moments, 2)
    return path


def keras3(path: Path, weights: Weights, libver: str | None = None) -> Path:
    """Layers numbered by kind, in order; h5py's own choice of layout, as Keras 3 has it."""
    with h5py.File(path, "w", libver=libver) as file:
        counts = {"conv2d": 0, "dense": 0}
        file.create_group("vars")
        for i in range(5):
            file.create_group(f"layers/max_pooling2d{f'_{i}' if i else ''}/vars")
        for name, (kernel, bias) in weights.items():
            kind = "dense" if name.startswith("fc") else "conv2d"
            layer = f"{kind}_{counts[kind]}" if counts[kind] else kind
            counts[kind] += 1
            file[f"layers/{layer}/vars/0"] = keras_kernel(name, kernel)
            file[f"layers/{layer}/vars/1"] = bias
        file["optimizer/vars/0"] = np.zeros(3, np.float32)
    return path


def keras3_named(path: Path, weights: Weights) -> Path:
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in weights.items():
            file[f"layers/{keras_name(name)}/vars/0"] = keras_kernel(name, kernel)
            file[f"layers/{keras_name(name)}/vars/1"] = bias
    return path


WRITERS = [keras1, keras2, compressed, of_a_model, keras3, keras3_named]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("letter", ["D", "E"])
def test_weights_come_out_as_they_went_in(
    tmp_path: Path, writer: Callable[..., Path], letter: str
) -> None:
    weights = random_weights(letter)
    path = writer(tmp_path / "vgg.h5", weights)
    assert keras.is_keras(path)
    found = keras.read(path)
    assert_same(found, weights)
    assert found.pixels == Pixels((256, 256), MEAN, order="BGR")
    assert (found.family, found.classes, found.notes) == ("Keras", None, (WINDOWS,))
    assert_runs_like(letter, found, scores(weights, picture()[:, :, ::-1] - np.array(MEAN)))


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
def test_every_generation_of_the_format_is_read(tmp_path: Path, libver: str) -> None:
    weights = random_weights()
    for writer in (keras1, keras2, keras3):
        assert_same(keras.read(writer(tmp_path / "vgg.h5", weights, libver)), weights)


def test_without_its_top_it_has_convolutions_and_a_note(tmp_path: Path) -> None:
    weights = {k: v for k, v in random_weights().items() if k.startswith("conv")}
    for writer in WRITERS:
        found = keras.read(writer(tmp_path / "notop.h5", weights))
        assert_same(found, weights)
        assert found.notes == ("has no FC layers: without its top", WINDOWS)


@pytest.mark.parametrize(
    "pixels",
    [
        Pixels((64, 96), (110.0, 120.0, 130.0)),
        Pixels((64, 64), (0.48, 0.45, 0.4), (0.2, 0.3, 0.4), maximum=1),
        Pixels((64, 64), MEAN, (1.0, 2.0, 3.0), order="BGR"),
    ],
)
def test_what_is_written_for_keras_gives_the_same_scores_there(
    tmp_path: Path, pixels: Pixels
) -> None:
    network = build("D", 10, width=0.125, crop=64, fc=24, pixels=pixels, initial="he")
    path = tmp_path / "vgg.weights.h5"
    keras_exporter.write(network, path)
    weights: Weights = {}
    with h5py.File(path) as file:  # as Keras finds them: by kind and number
        mean = file.attrs["verydeep_mean"]
        for name in random_weights():
            kind = "dense" if name.startswith("fc") else "conv2d"
            n = sum(each.startswith(name[:2]) for each in weights)
            kernel, bias = (
                file[f"layers/{kind}{f'_{n}' if n else ''}/vars/{i}"][()] for i in (0, 1)
            )
            if name == "fc6":
                kernel = kernel.reshape(2, 2, -1, kernel.shape[1])
            weights[name] = kernel.reshape((1,) * (4 - kernel.ndim) + kernel.shape), bias
    found = keras.read(path)
    assert (found.pixels.scale, found.pixels.order) == (pixels.scale, "BGR")
    assert found.guessed == ()
    assert_runs_like("D", found, scores(weights, picture()[:, :, ::-1] - mean))
    shown = torch.from_numpy(picture()[None])
    with torch.inference_mode():
        ours = network(pixels.normalise(shown))
        theirs = as_network("D", found)(found.pixels.normalise(shown))
    assert float((ours - theirs).abs().max()) < 1e-4 * float(ours.abs().max())


def test_writing_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("A-LRN", 10, width=0.0625, crop=64, fc=24)
    with pytest.raises(UserError, match="no layer for 'norm1_1'"):
        keras_exporter.write(network, tmp_path / "vgg.weights.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match="pip install h5py"):
        keras_exporter.write(network, tmp_path / "vgg.weights.h5")
    monkeypatch.undo()
    for name in ("vgg.h5", "vgg.keras", "vgg.weights", "weights.h5"):
        with pytest.raises(UserError, match=f"{name} does not end in .weights.h5, by which Keras"):
            keras_exporter.write(build("A", 10, width=0.0625, crop=64, fc=24), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_other_files_are_not_keras(tmp_path: Path) -> None:
    for content in (b"", b"\x89HDF", b"PK\3\4" + bytes(600)):
        (tmp_path / "x").write_bytes(content)
        assert not keras.is_keras(tmp_path / "x")
        assert_refused(keras.read, tmp_path / "x", "no HDF5 file")


def test_nets_that_are_no_vgg_are_named(tmp_path: Path) -> None:
    def file_of(weights: Weights, backend: bytes = b"tensorflow") -> Path:
        path = keras2(tmp_path / "x.h5", weights)
        with h5py.File(path, "a") as file:
            file.attrs["backend"] = backend
        return path

    net = random_weights()
    conv, bias = net["conv1_1"]
    fc, fc_bias = net["fc6"]
    assert_refused(keras.read, file_of({}), "no weights of a VGG net's first layer")
    assert_refused(keras.read, file_of(net, b"theano"), "mirrored")
    wrong = net | {"conv1_1": (conv.transpose(3, 2, 0, 1), bias)}
    assert_refused(keras.read, file_of(wrong), "8 x 3 x 3 x 3, has not its outputs last")
    wrong = net | {"fc6": (fc[:, :1], fc_bias)}
    assert_refused(keras.read, file_of(wrong), "fc6 has 128 columns, which are no square")


@pytest.mark.parametrize(
    ("letter", "kept", "widths"),
    [
        ("D", 4, "8, 8, 16, 16"),
        ("E", 8, "8, 8, 16, 16, 32, 32, 32, 32"),
        ("D", 10, "8, 8, 16, 16, 32, 32, 32, 64, 64, 64"),
    ],
)
def test_numbered_layers_of_a_net_cut_short_are_refused(
    tmp_path: Path, letter: str, kept: int, widths: str
) -> None:
    """A has 8 convolutions and B 10: an E or a D that ends there is neither."""
    net = random_weights(letter)
    path = keras3(tmp_path / "x.h5", {k: net[k] for k in list(net)[:kept]})
    reason = f"{kept} convolutions of {widths} channels, .* it may be a net cut short, whose pools"
    assert_refused(keras.read, path, reason)
    path = keras3_named(tmp_path / "x.h5", {k: net[k] for k in list(net)[:kept]})
    assert_same(keras.read(path), {k: net[k] for k in list(net)[:kept]})


CUT = ("conv3-8", "conv3-8", "maxpool", "conv3-16", "conv3-16", "maxpool", "conv3-32", "conv3-24")


@pytest.mark.parametrize(
    "table",
    [
        read_table("E", CUT, 64),
        vgg.table("B-shallow", 10, width=0.0625, crop=64, fc=24),
        vgg.table("C", 10, width=0.0625, crop=64, fc=24),
        vgg.table("A", 10, width=0.1, crop=64, fc=24),
    ],
)
def test_ours_come_back_with_their_own_table(tmp_path: Path, table: Table) -> None:
    network = Network.empty(table, [str(i) for i in range(table.class_count)], PIXELS)
    state = {k: torch.randn(t.shape) for k, t in network.state_dict().items()}
    network.load_state_dict(state, assign=True)
    keras_exporter.write(network, tmp_path / "x.weights.h5")
    found = to_network(keras.read(tmp_path / "x.weights.h5"), tmp_path / "x.weights.h5").network
    assert found.table == table
    for name in [name for name in state if not name.startswith("conv1_1")]:  # whose colours turn
        assert torch.equal(found.state_dict()[name], state[name])


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    network = build("A", 10, width=0.125, crop=64, fc=24, initial="he")
    keras_exporter.write(network, tmp_path / "x.weights.h5")
    for said, reason in {
        "{": "its attribute verydeep_table is no table",
        "[" * 100_000: "its attribute verydeep_table is no table",
        '{"name": "A", "words": [], "crop": 0}': "its attribute verydeep_table is no table",
        json.dumps({"name": "E", "words": CUT, "crop": 64}): "8 convolutions, and a table of 6",
    }.items():
        with h5py.File(tmp_path / "x.weights.h5", "a") as file:
            file.attrs["verydeep_table"] = said
        assert_refused(keras.read, tmp_path / "x.weights.h5", reason)


@pytest.mark.timeout(120)
def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    """Cut, changed and spliced files of every layout; numbers may change unseen, nothing else."""
    named = (keras1, keras2, compressed, of_a_model, keras3_named)
    contents = [writer(tmp_path / "x.weights.h5", tiny()).read_bytes() for writer in named]
    contents += [
        writer(tmp_path / "x.weights.h5", tiny(), libver).read_bytes()
        for writer in (keras1, keras2)
        for libver in ("v108", "latest")
    ]
    path = tmp_path / "x.weights.h5"
    refused = assert_refused_or_read(keras.read, path, damaged(contents, 700, 0))
    assert refused > 200


@pytest.mark.timeout(60)
def test_every_byte_of_structure_may_be_anything(tmp_path: Path) -> None:
    content = keras3_named(tmp_path / "x.weights.h5", {"conv1_1": tiny()["conv1_1"]}).read_bytes()
    changed = (
        content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]
        for at in range(0, min(len(content), 4000), 12)
    )
    assert assert_refused_or_read(keras.read, tmp_path / "x.weights.h5", changed) > 10


@pytest.mark.timeout(60)
def test_absurd_shapes_take_no_memory(tmp_path: Path) -> None:
    for shape in [(10**18, 3, 3, 3), (3, 3, 10**9, 10**9), (2**40,) * 4]:
        with h5py.File(tmp_path / "x.weights.h5", "w") as file:
            file.create_dataset("block1_conv1/kernel:0", shape, "f4", chunks=(1, 1, 1, 3))
            file.create_dataset("block1_conv1/bias:0", (shape[-1],), "f4", chunks=(3,))
        assert_refused(keras.read, tmp_path / "x.weights.h5", "it cannot hold|in .* chunks")
    with h5py.File(tmp_path / "x.weights.h5", "w", libver="earliest") as file:
        file.create_dataset("block1_conv1/kernel:0", (3, 3, 2**26, 3), "f4")
        file.create_dataset("block1_conv1/bias:0", (3,), "f4")
    assert_refused(keras.read, tmp_path / "x.weights.h5", "it cannot hold")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("shape", "chunk", "zeros", "reason"),
    [
        ((3, 3, 64, 2**18), (1, 1, 64, 2**18), 1 << 26, "arrays say they have 603,979,776 bytes"),
        ((3, 3, 3, 8), (3, 3, 3, 8), 1 << 28, "holds more than it says"),
        ((3, 3, 3, 8), (3, 3, 3, 8), 8, "ends before its time"),
        ((3, 3, 3, 8), (64, 64, 512, 16), 8, "chunks say they have 134,217,728 bytes"),
    ],
)
def test_bombs_take_no_memory(
    tmp_path: Path, shape: tuple[int, ...], chunk: tuple[int, ...], zeros: int, reason: str
) -> None:
    """Zeros by the gigabyte; chunks that unfold to more or less than they say; a huge chunk."""
    with h5py.File(tmp_path / "x.weights.h5", "w", libver="earliest") as file:
        how = {"compression": "gzip", "chunks": chunk, "maxshape": (None,) * 4}
        kernel = file.create_dataset("block1_conv1/kernel:0", shape, "f4", **how)
        content = zlib.compress(bytes(zeros), 1)
        for y in range(0, shape[0], chunk[0]):
            for x in range(0, shape[1], chunk[1]):
                kernel.id.write_direct_chunk((y, x, 0, 0), content)
        file["block1_conv1/bias:0"] = np.zeros(shape[3], np.float32)
    assert (tmp_path / "x.weights.h5").stat().st_size < 5 << 20
    assert_refused(keras.read, tmp_path / "x.weights.h5", reason)


@pytest.mark.timeout(60)
def test_nothing_outside_the_file_is_read(tmp_path: Path) -> None:
    """Links and storage elsewhere are as good as missing, though what they lead to is there."""
    weights = random_weights()
    other = keras2(tmp_path / "other.h5", weights)
    for link in (h5py.ExternalLink(other, "/block1_conv1"), h5py.SoftLink("/block1_conv2")):
        path = keras2(tmp_path / "x.weights.h5", weights)
        with h5py.File(path, "a") as file:
            del file["block1_conv1"]
            file["block1_conv1"] = link
        assert_refused(keras.read, path, "cannot be read")
    np.zeros(1000, np.float32).tofile(tmp_path / "raw")
    with h5py.File(keras2(tmp_path / "x.weights.h5", weights), "a") as file:
        shape = file["block1_conv1/block1_conv1/kernel:0"].shape
        del file["block1_conv1/block1_conv1/kernel:0"]
        raw = [(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("block1_conv1/block1_conv1/kernel:0", shape, "f4", external=raw)
    assert_refused(keras.read, tmp_path / "x.weights.h5", "in another file")
    layout = h5py.VirtualLayout(shape, "f4")
    layout[...] = h5py.VirtualSource(other, "block1_conv1/block1_conv1/kernel:0", shape)
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.create_virtual_dataset("block1_conv1/kernel:0", layout)
        file["block1_conv1/bias:0"] = np.zeros(shape[3], np.float32)
    assert_refused(keras.read, tmp_path / "y.h5", "not read")


@pytest.mark.timeout(60)
def test_circles_and_crowds_of_groups_come_to_an_end(tmp_path: Path) -> None:
    path = keras2(tmp_path / "x.weights.h5", random_weights())
    with h5py.File(path, "a") as file:
        file["block1_conv1/again"] = file["/"]
        file["block1_pool/deeper"] = file["block1_pool"]
    assert_same(keras.read(path), random_weights())
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        group: h5py.Group = file
        for _ in range(300):
            group = group.create_group("g")
    assert_refused(keras.read, tmp_path / "x.weights.h5", "more groups than any VGG net")
    with h5py.File(tmp_path / "x.weights.h5", "w", libver="earliest") as file:
        for i in range(6000):
            file.create_group(f"g{i}")
    assert_refused(keras.read, tmp_path / "x.weights.h5", "cannot be read")


@pytest.mark.timeout(60)
def test_a_header_that_goes_on_with_itself_comes_to_an_end(tmp_path: Path) -> None:
    """In a version 2 header, a continuation that points at the block it stands in."""
    path = tmp_path / "x.weights.h5"
    block, head = 256, 48
    message = bytes([0x10, 16, 0, 0]) + block.to_bytes(8, "little") + (64).to_bytes(8, "little")
    superblock = hdf5.SIGNATURE + bytes([2, 8, 8, 0]) + bytes(8) + b"\xff" * 8
    superblock += (4096).to_bytes(8, "little") + head.to_bytes(8, "little") + bytes(4)
    header = b"OHDR" + bytes([2, 0, 20]) + message + bytes(4)
    content = bytearray(4096)
    content[: len(superblock)] = superblock
    content[head : head + len(header)] = header
    content[block : block + 44] = b"OCHK" + message + message
    path.write_bytes(content)
    assert_refused(keras.read, path, "no end|damaged")


@pytest.mark.timeout(60)
def test_sequences_are_not_unfolded(tmp_path: Path) -> None:
    """Attributes of lists, which could hold each other without end, are passed over."""
    path = keras2(tmp_path / "x.weights.h5", random_weights())
    lists = np.empty(3, object)
    lists[:] = [np.array([i, i], np.uint8) for i in range(3)]
    with h5py.File(path, "a") as file:
        for name in ("backend", "verydeep_mean", "verydeep_scale"):
            file.attrs.create(name, lists, dtype=h5py.vlen_dtype(np.dtype("u1")))
    found = keras.read(path)
    assert_same(found, random_weights())
    assert (found.pixels, found.guessed) == (AUTHORS, ("pixels", "scale"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_of_d_is_read_within_its_own_size_and_half(tmp_path: Path) -> None:
    path = keras2(tmp_path / "vgg16.h5", random_weights("D", width=1.0))
    size = path.stat().st_size
    assert size > 553_000_000
    assert peak_of_reading("keras", path) < 2.5 * size
