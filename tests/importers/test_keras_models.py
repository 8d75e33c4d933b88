"""What Keras writes of its own nets: read to the posteriors that Keras gives, or refused by name.

The files and the expected posteriors are Keras's own, with PyTorch under it; pictures are random.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import torch
from keras import layers as L

from tests.foreign_nets import assert_refused, assert_refused_or_read, damaged
from tests.keras_nets import CLASSES, SIDE, net, posteriors, saved, with_random_weights
from verydeep.importers import keras as ours
from verydeep.importers.guesses import WINDOWS, informed
from verydeep.importers.to_network import to_network
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.releases import RELEASES

MEAN = np.array((103.939, 116.779, 123.68))
PICTURES = np.random.default_rng(7).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
NORM: list[Callable[[], Any]] = [lambda: L.BatchNormalization(), lambda: L.ReLU()]


def nested() -> Any:
    """A trunk of keras.applications' kind within a Sequential, as it is tuned in tutorials."""
    trunk = net("D", flatten=(), dense=())
    layers = [keras.Input((SIDE, SIDE, 3)), L.RandomFlip(), L.Rescaling(1 / 127.5, -1), trunk]
    head = [L.Flatten(), L.Dense(16, activation="relu"), L.Dropout(0.5), L.Dense(16),
            L.Activation("relu"), L.Dropout(0.5), L.Dense(CLASSES), L.Softmax()]  # fmt: skip
    return with_random_weights(keras.Sequential([*layers, *head]))


def adapted() -> Any:
    layer = L.Normalization()
    layer.adapt(PICTURES.astype(np.float32))
    return net(first=[layer])


READ: dict[str, tuple[Callable[[], Any], str, Pixels | None]] = {
    "plain": (lambda: net("D"), "D", None),
    "kernels of one in C": (
        lambda: net("D", kernels=lambda block, place: 1 if (block > 1 and place == 2) else 3),
        "C", None,
    ),
    "ReLUs apart": (lambda: net(after=[lambda: L.Activation("relu")]), "A", None),
    "norms": (lambda: net("D", after=NORM), "D-BN", None),
    "norms of another epsilon": (
        lambda: net(after=[lambda: L.BatchNormalization(epsilon=0.1), lambda: L.ReLU()]),
        "A-BN", None,
    ),
    "norms without factors, and no biases": (
        lambda: net(
            conv=lambda *sizes, **how: L.Conv2D(*sizes, use_bias=False, **how),
            after=[lambda: L.BatchNormalization(scale=False), lambda: L.ReLU()],
        ),
        "A-BN", None,
    ),
    "models within": (nested, "D", Pixels((256, 256), (127.5,) * 3, (127.5,) * 3)),
    "rescaled": (
        lambda: net(first=[L.Rescaling(1 / 255)]), "A",
        Pixels((256, 256), (0.0,) * 3, maximum=1),
    ),
    "rescaled by channel": (
        lambda: net(first=[L.Rescaling([0.5, 0.25, 0.125], [1.0, -2.0, 4.0])]), "A",
        Pixels((256, 256), (-2.0, 8.0, -32.0), (2.0, 4.0, 8.0)),
    ),
    "normalised": (
        lambda: net(first=[L.Normalization(mean=[1.0, 20.0, 30.0], variance=[4.0, 9.0, 16.0])]),
        "A", Pixels((256, 256), (1.0, 20.0, 30.0), (2.0, 3.0, 4.0)),
    ),
    "both": (
        lambda: net(first=[L.Rescaling(1 / 255), L.Normalization(mean=0.5, variance=0.0625)]),
        "A", Pixels((256, 256), (0.5,) * 3, (0.25,) * 3, maximum=1),
    ),
}  # fmt: skip


def given(model: Any, pixels: Pixels | None) -> np.ndarray:
    """Keras's posteriors; a net without pixel layers is shown what preprocess_input gives."""
    return posteriors(model, PICTURES if pixels else PICTURES[..., ::-1] - MEAN)


def found(path: Path) -> tuple[str, np.ndarray]:
    """The table that is read, and its posteriors."""
    network = to_network(ours.read(path), path).network
    with torch.inference_mode():
        shown = network.posteriors(network.pixels.normalise(torch.from_numpy(PICTURES)))
    return network.table.name, shown.numpy()


@pytest.mark.parametrize("name", list(READ))
def test_posteriors_are_keras_own(name: str) -> None:
    make, table, pixels = READ[name]
    model = make()
    path = saved(model)
    expected = given(model, pixels)
    assert expected.std() > 0.01
    read = ours.read(path)
    assert read.notes == ()
    if pixels:
        assert np.allclose(read.pixels.mean, pixels.mean, rtol=1e-12)
        assert np.allclose(read.pixels.std, pixels.std, rtol=1e-12)
        assert (read.pixels.order, read.pixels.maximum) == ("RGB", pixels.maximum)
    title, shown = found(path)
    assert title == table
    assert np.abs(shown - expected).max() < 1e-4
    assert not any("A-LRN" in note for note in to_network(read, path).notes)  # a model tells of it


def test_a_mean_and_a_variance_that_were_learnt_are_pixels() -> None:
    model = adapted()
    expected = given(model, Pixels((256, 256), (0.0,) * 3))
    for path in ("net.h5", "net.weights.h5"):
        _, shown = found(saved(model, path))
        assert np.abs(shown - expected).max() < 1e-4
    flat = PICTURES.reshape(-1, 3).astype(np.float64)
    pixels = ours.read("net.h5").pixels
    assert np.allclose(pixels.mean, flat.mean(0), rtol=1e-5)
    assert np.allclose(pixels.std, flat.std(0), rtol=1e-5)


def test_s_is_the_side_of_the_pictures_that_a_model_takes() -> None:
    for model in (net(size=(70, 70)), keras.Sequential([net(size=(70, 70))])):
        path = saved(model)
        found = to_network(ours.read(path), path)
        assert (found.network.pixels.scale, found.network.table.crop) == ((70, 70), 64)
        assert "scale" not in found.guessed
        assert not any(note.startswith("S is") for note in found.notes)
    whole = net(first=[L.Rescaling(1 / 255)], size=(70, 70))
    assert ours.read(saved(whole)).guessed == ()
    for size in ((None, None), (224, 224)):  # 224 is the crop of nets of a larger S too
        trunk = net(flatten=(), dense=(), size=size)
        assert ours.read(saved(trunk)).guessed == ("pixels", "scale")


def test_the_side_is_read_as_older_keras_says_it() -> None:
    path = saved(net(size=(70, 70)))
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        given = config["config"]["layers"][0]["config"]
        given["batch_input_shape"] = given.pop("batch_shape")
        file.attrs["model_config"] = json.dumps(config)
    assert ours.read(path).pixels.scale == (70, 70)


def test_pictures_that_leave_fc6_another_map_are_refused() -> None:
    reason = "pictures of 32 x 128, of which 5 poolings leave 1 x 4, where its first FC .* 2 x 2"
    assert_refused(ours.read, saved(net(size=(32, 128))), reason)


@pytest.mark.parametrize("name", ["plain", "ReLUs apart", "norms"])
def test_posteriors_of_weights_alone_are_keras_own(name: str) -> None:
    make, table, _ = READ[name]
    model = make()
    path = saved(model, "net.weights.h5")
    title, shown = found(path)
    assert title == table
    assert np.abs(shown - given(model, None)).max() < 1e-4
    first, *notes = ours.read(path).notes
    assert first.startswith("ReLUs and max-pooling over 2 x 2 are a guess: the file does not say")
    assert [
        note.startswith("norms are a guess: before the ReLUs, with Keras's own") for note in notes
    ] == ([True] if name == "norms" else [])


def test_activations_and_windows_of_weights_alone_are_a_guess_that_is_told() -> None:
    for model in (net(activation="tanh"), net(pool=lambda: L.MaxPooling2D(3, 2, padding="same"))):
        assert ours.read(saved(model, "net.weights.h5")).notes == (WINDOWS,)
    found = ours.read("net.weights.h5")
    assert informed(found, RELEASES[0], "net.weights.h5").notes == ()
    assert informed(found, None, "net.weights.h5").notes == (WINDOWS,)


def with_branch() -> Any:
    value = inner = keras.Input((SIDE, SIDE, 3))
    for _ in range(2):
        inner = L.Conv2D(3, 3, padding="same", activation="relu")(inner)
    return keras.Model(value, L.Add()([value, inner]))


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "tanh": (lambda: net(activation="tanh"), "'conv2d' is 'tanh', where a net of .* has a ReLU"),
    "leaky": (lambda: net(after=[lambda: L.LeakyReLU()]), "'leaky_re_lu' is 'LeakyReLU', where"),
    "capped": (lambda: net(after=[lambda: L.ReLU(6)]), "'re_lu' is 'ReLU with max_value 6"),
    "average": (lambda: net(pool=lambda: L.AveragePooling2D(2)), "'average_pooling2d' is 'Average"),
    "pool's window": (lambda: net(pool=lambda: L.MaxPooling2D(2, 1)), "'max_pooling2d' has stride"),
    "pool's border": (
        lambda: net(pool=lambda: L.MaxPooling2D(padding="same")), "is .max pooling of 'same'"
    ),
    "norms after ReLUs": (
        lambda: net(after=[lambda: L.ReLU(), lambda: L.BatchNormalization()]),
        "'batch_normalization' is batch normalisation, where",
    ),
    "kernel of one first": (
        lambda: net(first=[L.Conv2D(3, 1)]), "'conv2d.*' is a convolution, where .* has a ReLU",
    ),
    "strides": (
        lambda: net(conv=lambda *sizes, **how: L.Conv2D(*sizes, strides=(1, 2), **how),
                    pool=lambda: L.Dropout(0.1)),
        "'conv2d' has stride 2, where",
    ),
    "holes": (
        lambda: net(conv=lambda *sizes, **how: L.Conv2D(*sizes, dilation_rate=2, **how)),
        "'conv2d' has dilation 2, where",
    ),
    "no border": (
        lambda: keras.Sequential([keras.Input((SIDE, SIDE, 3)), L.Conv2D(4, 3)]),
        "'conv2d.*' has pad 0, where a net of Table 1 has 1",
    ),
    "separable": (
        lambda: net(conv=lambda *sizes, **how: L.SeparableConv2D(*sizes, **how)),
        "'separable_conv2d' is 'SeparableConv2D', where a net of Table 1 has a convolution",
    ),
    "rescaled late": (
        lambda: net(after=[lambda: L.ReLU(), lambda: L.Rescaling(2.0)]), "'rescaling' is 'Resc",
    ),
    "rescaled downwards": (
        lambda: net(first=[L.Rescaling(-1.0)]), "'rescaling.*' makes pixels that are none",
    ),
    "channels first": (
        lambda: keras.Sequential([
            keras.Input((3, SIDE, SIDE)), L.Conv2D(4, 3, data_format="channels_first")
        ]),
        "'conv2d.*' is 'Conv2D over channels_first', where",
    ),
    "branches": (with_branch, "'add.*' reads 2 values, where each layer"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_layer_that_no_net_of_table_1_has_is_refused_by_name(name: str) -> None:
    make, reason = REFUSED[name]
    assert_refused(ours.read, saved(make()), reason)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("leaky", "it has a layer 'leaky_re_lu.*', which no net of Table 1 has"),
        ("average", "it has a layer 'average_pooling2d.*', which no"),
        ("separable", "it has a layer 'separable_conv2d.*', which no"),
        ("strides", "it has 0 poolings, where its net has 5"),
    ],
)
def test_names_of_weights_alone_are_held_against_table_1(name: str, reason: str) -> None:
    assert_refused(ours.read, saved(REFUSED[name][0](), "net.weights.h5"), reason)


def test_norms_after_activations_within_convolutions_are_refused() -> None:
    model = net(conv=lambda *sizes, **how: L.Conv2D(*sizes, **how | {"activation": "relu"}),
                after=[lambda: L.BatchNormalization()])  # fmt: skip
    path = saved(model, "net.weights.h5")
    assert_refused(ours.read, path, "it has norms after its ReLUs, where they stand before them")


def test_norms_of_dense_layers_are_refused_where_nothing_tells_where_they_are() -> None:
    path = saved(net(between=[lambda: L.BatchNormalization()]), "net.weights.h5")
    assert_refused(ours.read, path, "2 norms, which are not one for each of 8 convolutions")


def test_rescaling_is_told_of_without_its_numbers_by_weights_alone() -> None:
    path = saved(net(first=[L.Rescaling(1 / 255)]), "net.weights.h5")
    assert_refused(ours.read, path, "it has a layer 'rescaling', which no net of Table 1 has")


# --- files that mean harm


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("keras") / "net.h5"
    return saved(net(after=NORM), str(path)).read_bytes()


@pytest.mark.timeout(120)
def test_damaged_models_are_refused_or_read(tmp_path: Path, whole: bytes) -> None:
    changed = damaged([whole], 60, 2)
    assert assert_refused_or_read(ours.read, tmp_path / "x.h5", changed) > 15


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no JSON": lambda model: "{",
    "nested deep": lambda model: "[" * 100_000,
    "a number": lambda model: "3",
    "no layers": lambda model: json.dumps({"class_name": "Functional", "config": {}}),
    "another class": lambda model: json.dumps(model | {"class_name": "Mine\x1b[2J" * 99}),
    "layers that are none": lambda model: changed(model, lambda x: x.update(layers=[3])),
    "a model in itself": lambda model: deeper(model, 200),
    "a cycle": lambda model: changed(model, cycle),
    "no strides": lambda model: first(model, strides=None),
    "infinite strides": lambda model: first(model, strides=[float("inf"), 1]),
    "a kernel of words": lambda model: first(model, kernel_size=["a", "b"]),
    "a border of its own": lambda model: first(model, padding="\x1b[2J"),
    "an activation of nothing": lambda model: first(model, activation={"config": [1]}),
    "an epsilon of words": lambda model: first(model, "BatchNormalization", epsilon="x"),
    "an epsilon of nothing": lambda model: first(model, "BatchNormalization", epsilon=float("nan")),
    "a size of two": lambda model: first(model, "InputLayer", batch_shape=[1, 2]),
    "an axis of lists": lambda model: first(model, "BatchNormalization", axis=[[1]]),
}


def changed(model: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> str:
    change(model["config"])
    return json.dumps(model)


def first(model: dict[str, Any], kind: str = "Conv2D", **settings: Any) -> str:
    layers = model["config"]["layers"]
    next(x for x in layers if x["class_name"] == kind)["config"].update(settings)
    return json.dumps(model)


def deeper(model: dict[str, Any], depth: int) -> str:
    inner = json.dumps(model["config"]["layers"][1])
    for _ in range(depth):
        inner = f'{{"class_name": "Sequential", "config": {{"name": "s", "layers": [{inner}]}}}}'
    return inner


def cycle(config: dict[str, Any]) -> None:
    nodes = [layer["inbound_nodes"] for layer in config["layers"]]
    nodes[1][0]["args"][0]["config"]["keras_history"][0] = config["layers"][-1]["name"]


@pytest.mark.parametrize("name", list(HOSTILE))
def test_models_that_are_none_are_refused_in_one_line(
    tmp_path: Path, whole: bytes, name: str
) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = HOSTILE[name](json.loads(file.attrs["model_config"]))
    assert assert_refused_or_read(ours.read, path, iter([path.read_bytes()])) == 1


def test_what_a_model_says_cannot_be_hidden(tmp_path: Path, whole: bytes) -> None:
    """More attributes than a header holds are kept elsewhere, where they are not looked for."""
    (tmp_path / "old.h5").write_bytes(whole)
    with (
        h5py.File(tmp_path / "old.h5") as old,
        h5py.File(tmp_path / "x.h5", "w", libver="latest") as file,
    ):
        old.copy("model_weights", file)
        for name in [*old.attrs, *map(str, range(12))]:
            file.attrs[name] = old.attrs.get(name, name)
    assert_refused(ours.read, tmp_path / "x.h5", "attributes that are stored in a way")


def test_weights_of_no_layer_are_refused(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file["model_weights/top_level_model_weights/mine"] = np.zeros(3, np.float32)
    assert_refused(ours.read, path, "'top_level_model_weights' has weights, and no place")
