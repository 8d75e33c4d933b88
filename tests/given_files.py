"""Files of MNIST's and CIFAR's forms made by hand, byte by byte."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

NAMES_10 = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
]  # fmt: skip


def idx(array: np.ndarray) -> bytes:
    """An IDX file: two zeros, 8 for bytes, the number of axes, their lengths, the values."""
    lengths = struct.pack(f">{array.ndim}I", *array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + lengths + array.astype(np.uint8).tobytes()


def mnist(folder: Path, train: int = 40, test: int = 10, zipped: bool = True) -> np.ndarray:
    """The four files, classes in turn; the pictures to train on."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(0).integers(0, 256, (train + test, 28, 28), np.uint8)
    for part, pictures in (("train", drawn[:train]), ("t10k", drawn[train:])):
        labels = np.arange(len(pictures)) % 10
        for what, array in (("images-idx3", pictures), ("labels-idx1", labels)):
            data = idx(np.asarray(array))
            name = f"{part}-{what}-ubyte{'.gz' if zipped else ''}"
            (folder / name).write_bytes(gzip.compress(data) if zipped else data)
    return drawn[:train]


def text(string: str) -> bytes:
    """A short string as Python 2's pickles have it."""
    return b"U" + bytes([len(string)]) + string.encode()


def list_of(values: Sequence[int | str]) -> bytes:
    """A list of numbers below 256, or of short strings."""
    items = [b"K" + bytes([v]) if isinstance(v, int) else text(v) for v in values]
    return b"]q\x04(" + b"".join(items) + b"e"


def array_of(values: np.ndarray) -> bytes:
    """An array of bytes, [N, M], as NumPy has itself pickled in protocol 2."""
    rows, columns = (b"M" + struct.pack("<H", n) for n in values.shape)
    data = values.astype(np.uint8).tobytes()
    long = struct.pack("<i", len(data))
    return (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x06cnumpy\nndarray\nq\x07K\x00\x85U\x01b\x87Rq\x08"
        b"(K\x01" + rows + columns + b"\x86cnumpy\ndtype\nq\x09U\x02u1K\x00K\x01\x87Rq\x0a"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + long + data + b"tb"
    )


def pickled(items: dict[str, bytes]) -> bytes:
    """A dictionary of such values, a whole file."""
    pairs = b"".join(text(key) + value for key, value in items.items())
    return b"\x80\x02}q\x01(" + pairs + b"u."


def cifar_10(folder: Path, each: int = 20, python: bool = True) -> np.ndarray:
    """The files of CIFAR-10, in Python's form or in binary; all pictures to train on, [N, 3072]."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(1).integers(0, 256, (6 * each, 3072), np.uint8)
    labels = np.arange(each) % 10
    for i, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        pictures = drawn[i * each : (i + 1) * each]
        if python:
            items = {
                "batch_label": text(name),
                "labels": list_of(labels.tolist()),
                "data": array_of(pictures),
                "filenames": list_of([f"{n}.png" for n in range(each)]),
            }
            (folder / name).write_bytes(pickled(items))
        else:
            rows = np.concatenate([labels[:, None].astype(np.uint8), pictures], 1)
            (folder / f"{name}.bin").write_bytes(rows.tobytes())
    if python:
        (folder / "batches.meta").write_bytes(pickled({"label_names": list_of(NAMES_10)}))
    else:
        (folder / "batches.meta.txt").write_text("\n".join(NAMES_10) + "\n\n")
    return drawn[: 5 * each]
