"""How the nets beside VGG were trained, as their papers print it: settings by the recipe's name.

What a paper does not print, or does by means that are not here, is said beside it. Their errors as
printed come with each recipe (`evaluation/published_nets.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RESIDUAL: Mapping[str, Any] = {
    "crop": 224, "scale": (256, 480), "batch": 256, "epochs": 120, "rate": 0.1, "decay": 1e-4,
    "initial": "he",
}  # fmt: skip
"""Sect. 3.4 of He et al., CVPR 2016: the rate divided by 10 on plateaus, 600,000 steps, which are
120 epochs; colours as Krizhevsky's. Norms go by the 32 pictures of a GPU there."""

CIFAR: Mapping[str, Any] = {
    "crop": 32, "scale": 32, "border": 4, "batch": 128, "rate": 0.1, "decay": 1e-4, "initial": "he",
    "colour": 0.0, "fall": "steps", "at_steps": (32000, 48000, 64000), "micro_batch": 64,
}  # fmt: skip
"""Sect. 4.2: two GPUs, so that norms go by 64 pictures; 45,000 to train, 5,000 to choose by. The
mean is that of each colour, not of each pixel."""

BRIEFLY = 1.14
"""Epochs of 351 steps, which are 400: how long ResNet-110 was trained at a tenth of the rate. Here
the rate rises over them."""

ALEXNET: Mapping[str, Any] = {
    "net": "AlexNet", "crop": 227, "scale": 256, "batch": 128, "epochs": 90,
    "initial": "gaussian:0.01 bias 1 in conv2_1,conv3_2,conv3_3,fc4,fc5",
}  # fmt: skip
"""Sect. 5 of Krizhevsky et al., NIPS 2012; the rate is divided by 10 when the validation error no
longer falls, three times; biases of the second, fourth and fifth convolution and of the hidden FC
layers begin at 1. Crops are of the whole picture, where theirs are of its middle square."""

ZFNET: Mapping[str, Any] = {
    "crop": 224, "scale": 256, "batch": 128, "epochs": 70, "initial": "gaussian:0.01",
    "colour": 0.0,
}  # fmt: skip
"""Zeiler & Fergus, ECCV 2014: the rate from 0.01 on, lowered by hand as the validation error
flattens; here on plateaus. Crops are ten fixed ones of a picture there, and any of it here; the
filters of convolutions, held to a root mean square of 0.1 there, are let go. Decay, which it does
not print, is AlexNet's."""

OVERFEAT: Mapping[str, Any] = {
    "scale": 256, "batch": 128, "epochs": 90, "rate": 0.05, "momentum": 0.6, "decay": 1e-5,
    "initial": "gaussian:0.01", "divide": True, "colour": 0.0, "cut_by": 2.0, "patience": 90,
    "latest_cuts": (30 / 90, 50 / 90, 60 / 90, 70 / 90, 80 / 90),
}  # fmt: skip
"""Sermanet et al., ICLR 2014: the rate halved after 30, 50, 60, 70 and 80 epochs, of which we make
90, for it does not print how many there were; no plateau cuts it. Pixels are divided by their
deviation, as in its release. An epoch shows five crops of a picture there, and one here."""

NIN: Mapping[str, Any] = {
    "net": "NiN", "crop": 224, "scale": 256, "batch": 64, "initial": "glorot", "colour": 0.0,
    "fall": "steps", "at_steps": (200_000, 400_000, 450_000),
}  # fmt: skip
"""As Lin et al., ICLR 2014, released it for Caffe: 450,000 steps, the rate from 0.01 divided by 10
after each 200,000. How it begins, and how pictures are cropped, is ours."""

GOOGLENET: Mapping[str, Any] = {
    "net": "GoogLeNet-aux", "crop": 224, "scale": 256, "batch": 32, "epochs": 250, "decay": 2e-4,
    "initial": "glorot bias 0.2", "area": 0.08, "aspect": 4 / 3, "fall": "stairs",
    "stairs": (0.96, 8), "average": 0.999,
}  # fmt: skip
"""Sect. 6 of Szegedy et al., CVPR 2015: momentum 0.9, the rate 4 % less every 8 epochs, the mean of
the weights, patches of 8 to 100 %. Batch, rate, decay and beginning, which it does not print, are
those of BVLC's GoogLeNet (biases at 0.2), and the length is 250 passes of it, as BVLC's was 60 with
another fall.
The mean here is one that forgets, not Polyak's."""

LENET: Mapping[str, Any] = {
    "net": "LeNet-5", "crop": 32, "scale": 32, "batch": 10, "epochs": 20, "rate": 5e-3,
    "momentum": 0.0, "decay": 0.0, "initial": "glorot", "colour": 0.0, "mirror": False,
    "divide": True, "fall": "stairs", "stairs": (0.8, 1),
}  # fmt: skip
"""Sect. III.B of LeCun et al., Proc. IEEE 1998: 20 passes, the rate from 5e-4 down to 1e-5, a
fiftieth, which is 0.8 a pass. There a weight's own rate is that over its second derivative plus
0.02, so 0.025 at the most, and a step is one picture; here one rate is between the two, and a step
ten. Theirs begin uniform within 2.4 / fan-in."""

FACENET: Mapping[str, Any] = {
    "task": "embed", "batch": 1800, "sampling": "grouped", "colour": 0.0, "mirror": False,
}  # fmt: skip
"""Schroff et al., CVPR 2015: batches of 1,800 faces, triplets with a margin of 0.2. They learn by
AdaGrad at a rate of 0.05, which is not here: rate, momentum, decay and length are VGG's. Faces are
shown whole, for it prints nothing else; how many of an identity are in a batch is ours."""

DEEPFACE: Mapping[str, Any] = {
    "net": "DeepFace", "crop": 152, "scale": 152, "batch": 128, "epochs": 15,
    "initial": "gaussian:0.01 bias 0.5", "colour": 0.0, "mirror": False,
}  # fmt: skip
"""Taigman et al., CVPR 2014: 15 passes, the rate from 0.01 on. Faces come aligned, and are shown
whole; when the rate falls, and decay, are VGG's."""

ALPHAGO: Mapping[str, Any] = {
    "crop": 19, "scale": 19, "batch": 16, "rate": 3e-3, "momentum": 0.0, "decay": 0.0,
    "initial": "he", "colour": 0.0, "mirror": False, "fall": "steps", "cut_by": 2.0,
    "at_steps": (80_000_000, 160_000_000, 240_000_000, 320_000_000, 340_000_000),
}  # fmt: skip
"""Silver et al., Nature 2016, Methods: 340 million steps of 16 positions, the rate from 0.003 on
halved after each 80 million, no momentum; learnt from in all eight symmetries, which games come in
here. Theirs ran on many machines at once, each by weights a little old. How it begins, and that
there is no decay, is ours."""

NEIGHBOURS: Mapping[str, Mapping[str, Any]] = {
    "LeNet-5": LENET,
    "AlexNet": ALEXNET,
    **{f"ZFNet-{n}": {"net": f"ZFNet-{n}", **ZFNET} for n in "ab"},
    "OverFeat-fast": {"net": "OverFeat-fast", "crop": 231, **OVERFEAT},
    "OverFeat-accurate": {"net": "OverFeat-accurate", "crop": 221, **OVERFEAT},
    "NiN": NIN,
    "GoogLeNet": GOOGLENET,
    **{f"ResNet-{n}": {"net": f"ResNet-{n}", **RESIDUAL} for n in (18, 34, 50, 101, 152)},
    **{f"Plain-{n}": {"net": f"Plain-{n}", **RESIDUAL} for n in (18, 34)},
    **{f"CIFAR-ResNet-{n}": {"net": f"ResNet-{n}", **CIFAR} for n in (20, 32, 44, 56)},
    "CIFAR-ResNet-110": {"net": "ResNet-110", **CIFAR, "warm_up": BRIEFLY},
    **{f"CIFAR-Plain-{n}": {"net": f"Plain-{n}", **CIFAR} for n in (20, 32, 44, 56)},
    "NN1": {"net": "NN1", "crop": 220, "scale": 220, **FACENET},
    "NN2": {"net": "NN2", "crop": 224, "scale": 224, **FACENET},
    "DeepFace": DEEPFACE,
    **{f"AlphaGo-{k}": {"net": f"AlphaGo-{k}", **ALPHAGO} for k in (128, 192, 256, 384)},
}
"""Of each its net and how it is trained; the rest is as in `Settings`."""

PRINTED_AS = {"GoogLeNet-aux": "GoogLeNet", "ResNet-18": "ResNet-18-A"}
"""Nets whose errors are printed under another name, or of their kin alone."""
