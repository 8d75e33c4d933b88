"""verydeep: the very deep ConvNets of Simonyan & Zisserman (ICLR 2015), on your own pictures.

>>> import verydeep
>>> network = verydeep.build("D", classes=10, width=0.25, crop=96)   # random weights
>>> network = verydeep.load("runs/photos-A/best.safetensors")        # trained ones
>>> network = verydeep.load("vgg16")                                 # published, fetched once
>>> network.predict("cat.jpg")                                       # [(class, posterior), ...]
>>> network.predict(["cat.jpg", image, "holiday/"])                  # a list of such lists
>>> network.activations(network.preprocess("cat.jpg"), ["relu5_3", "fc7"])  # {name: [B, C, h, w]}
>>> run = verydeep.train("photos/")                                  # trained, tested, in a folder
>>> verydeep.evaluate("runs/photos-A", "photos/", "crops")           # an error with its interval
>>> names, array = verydeep.features("vgg16", "photos/")             # descriptors of length one
>>> verydeep.LinearSVMs(C="choose").fit(features, labels)            # scikit-learn's manners
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verydeep.errors import PictureError, Stopped, UserError

if TYPE_CHECKING:
    from verydeep.datasets import open_dataset
    from verydeep.descriptors.estimators import LinearSVMs as LinearSVMs
    from verydeep.descriptors.features import Features, load_features
    from verydeep.nets.network import Network, build
    from verydeep.nets.stack import Stack
    from verydeep.pictures.reading import read_picture
    from verydeep.runtime.progress import SILENT, Progress
    from verydeep.verbs.descriptors import Descriptors as Descriptors
    from verydeep.verbs.dream import dream
    from verydeep.verbs.evaluate import evaluate
    from verydeep.verbs.explain import explain
    from verydeep.verbs.features import features
    from verydeep.verbs.localise import localise
    from verydeep.verbs.lpips import lpips
    from verydeep.verbs.positions import positions
    from verydeep.verbs.predict import predict
    from verydeep.verbs.similar import similar
    from verydeep.verbs.study import study
    from verydeep.verbs.style import style
    from verydeep.verbs.train import resume, train
    from verydeep.verbs.transfer import transfer
    from verydeep.verbs.transfer_protocols import transfer_protocol
    from verydeep.verbs.units import units
    from verydeep.verbs.verify import distance, verify
    from verydeep.weights import load, load_stack, save

    __version__: str

__all__ = [
    "SILENT",
    "Features",
    "Network",
    "PictureError",
    "Progress",
    "Stack",
    "Stopped",
    "UserError",
    "__version__",
    "build",
    "distance",
    "dream",
    "evaluate",
    "explain",
    "features",
    "load",
    "load_features",
    "load_stack",
    "localise",
    "lpips",
    "open_dataset",
    "positions",
    "predict",
    "read_picture",
    "resume",
    "save",
    "similar",
    "study",
    "style",
    "train",
    "transfer",
    "transfer_protocol",
    "units",
    "verify",
]

_HOMES = {
    "SILENT": "verydeep.runtime.progress",
    # not in __all__: `from verydeep import *` is not to want scikit-learn, an extra
    "Descriptors": "verydeep.verbs.descriptors",
    "Features": "verydeep.descriptors.features",
    "LinearSVMs": "verydeep.descriptors.estimators",
    "Network": "verydeep.nets.network",
    "Progress": "verydeep.runtime.progress",
    "Stack": "verydeep.nets.stack",
    "build": "verydeep.nets.network",
    "distance": "verydeep.verbs.verify",
    "dream": "verydeep.verbs.dream",
    "evaluate": "verydeep.verbs.evaluate",
    "explain": "verydeep.verbs.explain",
    "features": "verydeep.verbs.features",
    "localise": "verydeep.verbs.localise",
    "load": "verydeep.weights",
    "load_features": "verydeep.descriptors.features",
    "load_stack": "verydeep.weights",
    "lpips": "verydeep.verbs.lpips",
    "open_dataset": "verydeep.datasets",
    "positions": "verydeep.verbs.positions",
    "predict": "verydeep.verbs.predict",
    "read_picture": "verydeep.pictures.reading",
    "resume": "verydeep.verbs.train",
    "save": "verydeep.weights",
    "similar": "verydeep.verbs.similar",
    "study": "verydeep.verbs.study",
    "style": "verydeep.verbs.style",
    "train": "verydeep.verbs.train",
    "transfer": "verydeep.verbs.transfer",
    "transfer_protocol": "verydeep.verbs.transfer_protocols",
    "units": "verydeep.verbs.units",
    "verify": "verydeep.verbs.verify",
}


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first asked for: PyTorch takes a second."""
    if name == "__version__":
        from importlib.metadata import version

        return version("verydeep")
    if name not in _HOMES:
        raise AttributeError(f"module 'verydeep' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, for whoever completes them; asking for them imports nothing."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
