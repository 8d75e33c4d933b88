"""Nets of Keras's own layers, narrow ones, and the files that Keras itself writes of them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers as L

logging.getLogger("absl").setLevel(logging.ERROR)  # of .h5, which it calls legacy

SIDE, CLASSES = 32, 5
WIDTHS = {
    "A": ((4,), (8,), (16, 16), (32, 32), (32, 32)),
    "D": ((4, 4), (8, 8), (16, 16, 16), (32, 32, 32), (32, 32, 32)),
}
"""Channels of two configurations at a sixteenth of the width."""
Layer = Callable[[], Any]


def net(
    letter: str = "A",
    *,
    first: Sequence[Any] = (),
    conv: Callable[..., Any] | None = None,
    after: Sequence[Layer] | None = None,
    pool: Layer = lambda: L.MaxPooling2D(),
    flatten: Sequence[Layer] = (lambda: L.Flatten(),),
    dense: Sequence[Any] = (16, 16, CLASSES),
    activation: Any = "relu",
    between: Sequence[Layer] = (),
    last: Any = "softmax",
    kernels: Callable[[int, int], int] = lambda block, place: 3,
    size: Sequence[int | None] = (SIDE, SIDE),
) -> Any:
    """A VGG of Keras's: `after` are the layers after each convolution, its own ReLU where None."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    own = activation if after is None else None
    value = given = keras.Input((*size, 3))
    for layer in first:
        value = layer(value)
    for b, block in enumerate(WIDTHS[letter]):
        for c, width in enumerate(block):
            make = conv or L.Conv2D
            value = make(width, kernels(b, c), padding="same", activation=own)(value)
            for layer in after or ():
                value = layer()(value)
        value = pool()(value)
    for layer in flatten:
        value = layer()(value)
    for i, units in enumerate(dense):
        is_last = i == len(dense) - 1
        value = L.Dense(units, activation=last if is_last else activation)(value)
        for layer in () if is_last else between:
            value = layer()(value)
    return with_random_weights(keras.Model(given, value))


def with_random_weights(model: Any) -> Any:
    """The model with biases and norms that do something."""
    draw = np.random.default_rng(3)
    for variable in model.variables:
        name, shape = variable.name, variable.shape
        if "kernel" in name:
            values = draw.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        elif name in ("bias", "beta", "moving_mean"):
            values = draw.normal(0, 0.3, shape)
        elif name in ("gamma", "moving_variance"):
            values = draw.uniform(0.005 if "moving" in name else 0.5, 1.5, shape)
        else:
            continue
        variable.assign(values.astype(np.float32))
    return model


def saved(model: Any, path: str = "net.h5") -> Path:
    """The model's own file: whole, or its weights alone by the path's end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # numpy's, of how Keras makes arrays
        if path.endswith(".weights.h5"):
            model.save_weights(path)
        else:
            model.save(path)
    return Path(path)


def posteriors(model: Any, pictures: np.ndarray) -> np.ndarray:
    """What Keras gives for pictures [B, H, W, 3], as its own preprocessing leaves them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        given: np.ndarray = model.predict(pictures.astype(np.float32), verbose=0)
    return given
