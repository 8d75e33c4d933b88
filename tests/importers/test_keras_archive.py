"""Keras 3's `.keras` archives, and heads of users' own: read to what Keras itself has there.

The archives are written by Keras; the same models' `.h5` files, whose posteriors are held against
Keras's own elsewhere, have the expected tensors, and activations are Keras's.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers as L

from tests.foreign_nets import assert_refused
from tests.importers.test_keras_models import MEAN, PICTURES, READ
from tests.keras_nets import net, posteriors, saved
from verydeep.errors import UserError
from verydeep.importers import families
from verydeep.importers import keras as ours
from verydeep.importers.to_network import to_network


def pooled(*dense: int, last: str = "softmax") -> Any:
    """A net whose dense layers see the mean of the last map, as most that are tuned."""
    return net(flatten=[lambda: L.GlobalAveragePooling2D(name="mean")], dense=dense, last=last)


@pytest.mark.parametrize("name", ["plain", "norms", "models within", "both"])
def test_an_archive_is_read_as_the_same_models_other_file(name: str) -> None:
    model = READ[name][0]()
    archive, other = ours.read(saved(model, "net.keras")), ours.read(saved(model, "net.h5"))
    assert archive.tensors.keys() == other.tensors.keys()
    assert all(np.array_equal(archive.tensors[k], other.tensors[k]) for k in other.tensors)
    assert (archive.pixels, archive.guessed) == (other.pixels, other.guessed)


def test_an_archive_of_a_model_that_was_trained_is_read() -> None:
    model = net(dense=(16, 16, 5))
    model.compile("sgd", "categorical_crossentropy")
    path = saved(model, "net.keras")
    assert families.read(path).tensors["fc8.weight"].shape == (5, 16, 1, 1)


HEADS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "one dense layer": (lambda: net(dense=(5,)), "dense is", "pool5"),
    "two": (lambda: net(dense=(16, 5)), "dense, dense_1 are", "pool5"),
    "a mean": (lambda: pooled(5), "mean, dense are", "pool5"),
    "a mean and three": (lambda: pooled(16, 16, 5), "mean, dense, dense_1 and 1 more are", "pool5"),
    "norms": (
        lambda: net(dense=(16, 5), between=[lambda: L.BatchNormalization()]),
        "dense, batch_normalization, dense_1 are", "pool5",
    ),
    "tanh": (
        lambda: net(after=[lambda: L.ReLU()], activation="tanh"),
        "dense, dense_1, dense_2 are", "pool5",
    ),
    "a sigmoid for the soft-max": (lambda: net(last="sigmoid"), "dense_2 is", "fc7"),
    "four": (lambda: net(dense=(16, 16, 8, 5)), "dense_2, dense_3 are", "fc7"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(HEADS))
def test_a_head_of_ones_own_is_left_and_named(name: str) -> None:
    make, left, end = HEADS[name]
    path = saved(make(), "net.keras")
    read = ours.read(path)
    assert read.notes == (f"{left} at no place of a VGG and left out: the net ends with {end}",)
    table = to_network(read, path).network.table
    assert (table.last, table.has_scores) == (end, False)


@pytest.mark.parametrize("make", [lambda: pooled(5), lambda: net(dense=(16, 5))])
def test_a_head_of_weights_alone_is_left_too(make: Callable[[], Any]) -> None:
    path = saved(make(), "net.weights.h5")
    read = ours.read(path)
    assert "at no place of a VGG and left out: the net ends with pool5" in read.notes[0]
    assert to_network(read, path).network.table.last == "pool5"


@pytest.mark.parametrize(("name", "end"), [("a mean", "pool5"), ("four", "fc7")])
def test_what_is_kept_before_a_head_gives_keras_own_activations(name: str, end: str) -> None:
    model = HEADS[name][0]()
    layer = model.get_layer({"pool5": "max_pooling2d_4", "fc7": "dense_1"}[end])
    expected = posteriors(keras.Model(model.inputs, layer.output), PICTURES[..., ::-1] - MEAN)
    path = saved(model, "net.keras")
    network = to_network(ours.read(path), path).network
    shown = network.pixels.normalise(torch.from_numpy(PICTURES))
    with torch.inference_mode():
        row = {"pool5": "pool5", "fc7": "relu7"}[end]
        found = network.run({"data": shown}, [row])[row].numpy()
    assert expected.std() > 0.01
    difference = found.transpose(0, 2, 3, 1).reshape(expected.shape) - expected
    assert np.abs(difference).max() < 1e-4 * np.abs(expected).max()


def with_pools(*pools: Callable[[], Any], head: Any = (5,), **how: Any) -> Any:
    """A net with these after its blocks, one each."""
    each = iter(pools)
    return net("D", pool=lambda: next(each)(), dense=head, **how)


MAX = L.MaxPooling2D


def average() -> Any:
    return L.AveragePooling2D(2)


def bordered() -> Any:
    return L.Conv2D(8, 3, padding="same", activation="relu", name="more")


MEAN_OF_MAP: dict[str, Any] = {"flatten": [lambda: L.GlobalAveragePooling2D(name="mean")]}


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: with_pools(*[MAX] * 4, average), "average_pooling2d"),
        (lambda: with_pools(*[MAX] * 4, average, head=(16, 16, 5)), "average_pooling2d"),
        (lambda: with_pools(*[MAX] * 4, average, after=[L.BatchNormalization, L.ReLU]),
         "average_pooling2d"),
        (lambda: with_pools(*[MAX] * 3, average, average), "average_pooling2d"),
        (lambda: net(size=(64, 64), flatten=[average, L.Flatten], dense=(5,)), "average_pooling2d"),
        (lambda: net(flatten=[bordered, L.Flatten], dense=(5,)), "more"),
    ],
    ids=["the fifth", "before three layers", "after norms", "the last two", "a sixth",
         "a convolution"],
)  # fmt: skip
def test_windows_over_a_map_are_no_head(make: Callable[[], Any], name: str) -> None:
    with pytest.raises(UserError, match=f"its layer '{name}"):
        to_network(ours.read(saved(make(), "net.keras")), "net.keras")


@pytest.mark.parametrize("after", [None, [L.BatchNormalization, L.ReLU]], ids=["plain", "norms"])
def test_a_last_block_that_is_not_pooled_gets_no_pool(after: Any) -> None:
    model = with_pools(*[MAX] * 4, lambda: L.Dropout(0.1), after=after, **MEAN_OF_MAP)
    path = saved(model, "net.keras")
    read = families.read(path)
    assert read.notes[0].endswith(
        "are at no place of a VGG and left out: the net ends with conv5_3"
    )
    assert to_network(read, path).network.table.last == "relu5_3"


def test_fully_convolutional_nets_have_their_three_fc_layers() -> None:
    """Kernels and biases of 13 convolutions and three FC layers are 32; posteriors are Keras's."""
    head = [lambda: L.Conv2D(16, 1, activation="relu"), lambda: L.Conv2D(16, 1, activation="relu"),
            lambda: L.Conv2D(5, 1, activation="softmax")]  # fmt: skip
    model = net("D", flatten=head, dense=())
    path = saved(model, "net.keras")
    read = ours.read(path)
    assert (len(read.tensors), read.notes) == (32, ())
    expected = posteriors(model, PICTURES[..., ::-1] - MEAN)[:, 0, 0]
    network = to_network(read, path).network
    with torch.inference_mode():
        found = network.posteriors(network.pixels.normalise(torch.from_numpy(PICTURES)))
    assert np.abs(found.numpy() - expected).max() < 1e-4


# --- damage


def rewritten(path: Path, change: Callable[[str, bytes], bytes], **how: Any) -> Path:
    """The archive with its members changed."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile("x.keras", "w", **how) as file:
        for name, content in members.items():
            if changed := change(name, content):
                file.writestr(name, changed)
    return Path("x.keras")


def test_damaged_archives_are_refused() -> None:
    path = saved(net(dense=()), "net.keras")
    content = path.read_bytes()
    half = Path("half.keras")
    half.write_bytes(content[: len(content) // 2])
    assert_refused(families.read, half, "it is cut short, or something follows its end")
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    half.write_bytes(flipped)
    assert_refused(families.read, half, "it is damaged .*CRC-32")
    packed = rewritten(path, lambda _, c: c, compression=zipfile.ZIP_DEFLATED)
    assert_refused(families.read, packed, "model.weights.h5 is compressed, which Keras never does")
    without = rewritten(path, lambda name, c: b"" if name == "model.weights.h5" else c)
    assert_refused(families.read, without, "it has no model.weights.h5; save it again with Keras 3")
    with zipfile.ZipFile("x.keras", "w") as file:
        file.writestr("config.json", "{}")
        file.writestr("pytorch_model.bin", b"x")
    reason = r"it is a zip archive of other files \(pytorch_model.bin\); unpack it"
    assert_refused(families.read, Path("x.keras"), reason)
    huge = rewritten(path, lambda name, c: c + b" " * 2**22 if name == "config.json" else c)
    assert_refused(families.read, huge, "its config.json has 4,2")
    short = rewritten(path, lambda name, c: c[:9000] if name == "model.weights.h5" else c)
    assert_refused(families.read, short, "it is cut short, or damaged: 9,000 of")
    other = rewritten(path, lambda name, c: b"[3]" if name == "config.json" else c)
    assert_refused(families.read, other, "what it says of its layers is out of form")
