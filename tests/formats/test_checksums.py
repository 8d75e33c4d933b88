"""Which files of weights show that a bit was lost, as docs/weights.md has it: each loses one.

Files are written by h5py, SciPy, PyTorch and safetensors, and by us for Caffe, MatConvNet and ONNX.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests import theirs
from tests.foreign_nets import random_weights
from tests.importers import test_keras_weights as as_keras
from tests.importers import test_matconvnet as as_matlab
from verydeep.errors import UserError
from verydeep.exporters import caffe, matconvnet, onnx
from verydeep.importers import families
from verydeep.nets.network import Network, build


def ours() -> Network:
    return build("A", 3, width=0.125, crop=64, fc=16)


UNSEEN: dict[str, Callable[[Path], object]] = {
    "w.caffemodel": lambda path: caffe.write(ours(), path),
    "ours.mat": lambda path: matconvnet.write(ours(), path),
    "w.onnx": lambda path: onnx.write_onnx(ours(), path),
    "w.safetensors": lambda path: save_file(theirs.network("A").state_dict(), path),
    "plain.h5": lambda path: as_keras.keras2(path, random_weights()),
    "w.weights.h5": lambda path: as_keras.keras3(path, random_weights()),
    "level5.mat": lambda path: as_matlab.level5(path, as_matlab.simplenn(random_weights())),
    "v73.mat": lambda path: as_matlab.level73(path, as_matlab.simplenn(random_weights())),
    "old.pth": lambda path: torch.save(
        theirs.network("A").state_dict(), path, _use_new_zipfile_serialization=False
    ),
}
SEEN: dict[str, Callable[[Path], object]] = {
    "new.pth": lambda path: torch.save(theirs.network("A").state_dict(), path),
    "packed.h5": lambda path: as_keras.compressed(path, random_weights()),
    "packed5.mat": lambda path: as_matlab.level5_compressed(
        path, as_matlab.simplenn(random_weights())
    ),
    "packed73.mat": lambda path: as_matlab.level73_compressed(
        path, as_matlab.simplenn(random_weights())
    ),
}


@pytest.mark.parametrize("name", [*UNSEEN, *SEEN])
def test_a_lost_bit_is_seen_where_there_are_checksums(name: str) -> None:
    """Lost at five places of the middle, where most are weights, and some no part of anything."""
    path = Path(name)
    (UNSEEN | SEEN)[name](path)
    content = path.read_bytes()
    whole = {key: tensor.copy() for key, tensor in families.read(path).tensors.items()}
    seen, unseen = 0, 0
    for fifth in range(5):
        place = len(content) * (8 + fifth) // 20
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            found = families.read(path).tensors
        except UserError:
            seen += 1
        else:
            unseen += any(not np.array_equal(found[key], whole[key]) for key in whole)
    assert unseen > 0 if name in UNSEEN else (seen > 0 and unseen == 0)
