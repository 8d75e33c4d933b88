"""Our networks as Keras 3's `.weights.h5`, for `model.load_weights`.

The first layer is changed to want BGR in 0-255 minus a mean. That mean, S and the table stand in
attributes of the file, at which Keras does not look.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from verydeep.errors import UserError
from verydeep.exporters.byte_pixels import for_bytes
from verydeep.exporters.rows import refuse_others
from verydeep.files import write_atomic
from verydeep.importers.keras import MEAN, SCALE, TABLE
from verydeep.nets.network import Network
from verydeep.nets.rows import FC, LRN, Conv, Dropout, MaxPool, ReLU, Softmax
from verydeep.weights.schema import table_in_words

SUFFIX = ".weights.h5"
"""Of the files that are written; what else ends in .h5 Keras 3 reads as Keras 2 laid it out."""


def write(network: Network, path: Path | str) -> None:
    """Writes a network's weights for `model.load_weights`, whole or not at all.

    The first layer is changed to want BGR in 0-255 minus a mean, exactly: that mean is the file's
    attribute "verydeep_mean" and has to be subtracted instead of `preprocess_input`'s where it is
    another. Raises UserError for another suffix, without `h5py`, for LRN, or where the file cannot
    be written.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIX):
        raise UserError(f"{path} does not end in {SUFFIX}, by which Keras 3 knows its own files")
    try:
        import h5py
    except ImportError:
        raise UserError(
            "Keras files are written by h5py, which is missing: `pip install h5py`"
        ) from None
    kinds = (Conv, FC, LRN, MaxPool, ReLU, Dropout, Softmax)
    refuse_others(network.table, kinds, "Keras's VGG")
    for row in network.table.rows:
        if isinstance(row, LRN):
            raise UserError(f"Keras has no layer for '{row.name}' of configuration A-LRN; train A")
    network = for_bytes(network, "BGR", "Keras")
    content = io.BytesIO()
    with h5py.File(content, "w", libver="earliest") as file:
        file.attrs[MEAN], file.attrs[SCALE] = network.pixels.mean, network.pixels.scale
        file.attrs[TABLE] = json.dumps(table_in_words(network.table))
        for name, arrays in _for_keras(network):
            for i, array in enumerate(arrays):
                file[f"layers/{name}/vars/{i}"] = array
    write_atomic(path, content.getbuffer())


def _for_keras(network: Network) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Keras 3's names of the layers with weights, and their kernel and bias as it has them."""
    counts = {"conv2d": 0, "dense": 0}
    for row in network.table.rows:
        if not isinstance(row, Conv):
            continue
        kind = "dense" if isinstance(row, FC) else "conv2d"
        layer = network.get_submodule(row.name)
        weight, bias = (
            layer.get_parameter(part).detach().cpu().numpy() for part in ("weight", "bias")
        )
        kernel = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
        name = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        yield name, (kernel.reshape(-1, len(bias)) if kind == "dense" else kernel, bias)
