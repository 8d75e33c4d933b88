"""verydeep: the very deep ConvNets of Simonyan & Zisserman (ICLR 2015), on your own pictures.

>>> import verydeep
>>> network = verydeep.build("D", classes=10, width=0.25, crop=96)   # random weights
>>> network = verydeep.load("runs/photos-A/best.safetensors")        # trained ones
>>> network = verydeep.load("vgg16")                                 # published, fetched once
>>> network.predict("cat.jpg")                                       # [(class, posterior), ...]
>>> network.activations(images, ["relu5_3", "fc7"])                  # {name: [B, C, h, w]}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verydeep.errors import UserError

if TYPE_CHECKING:
    from verydeep.datasets import open_dataset
    from verydeep.nets.network import Network, build
    from verydeep.pictures.reading import read_picture
    from verydeep.verbs.evaluate import evaluate
    from verydeep.verbs.train import resume, train
    from verydeep.weights import load, save

__all__ = [
    "Network",
    "UserError",
    "build",
    "evaluate",
    "load",
    "open_dataset",
    "read_picture",
    "resume",
    "save",
    "train",
]

_HOMES = {
    "Network": "verydeep.nets.network",
    "build": "verydeep.nets.network",
    "evaluate": "verydeep.verbs.evaluate",
    "load": "verydeep.weights",
    "open_dataset": "verydeep.datasets",
    "read_picture": "verydeep.pictures.reading",
    "resume": "verydeep.verbs.train",
    "save": "verydeep.weights",
    "train": "verydeep.verbs.train",
}


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first asked for: PyTorch takes a second."""
    if name not in _HOMES:
        raise AttributeError(f"module 'verydeep' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
