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
    "initial": "gaussian:0.01",
}  # fmt: skip
"""Sect. 5 of Krizhevsky et al., NIPS 2012; the rate is divided by 10 when the validation error no
longer falls, three times. Biases begin at 0, where some of theirs begin at 1. Crops are of the
whole picture, where theirs are of its middle square."""

GOOGLENET: Mapping[str, Any] = {
    "net": "GoogLeNet-aux", "crop": 224, "scale": 256, "batch": 32, "epochs": 250, "decay": 2e-4,
    "initial": "glorot", "area": 0.08, "aspect": 4 / 3, "fall": "stairs", "stairs": (0.96, 8),
    "average": 0.999,
}  # fmt: skip
"""Sect. 6 of Szegedy et al., CVPR 2015: momentum 0.9, the rate 4 % less every 8 epochs, the mean of
the weights, patches of 8 to 100 %. Batch, rate, decay and beginning, which it does not print, are
those of BVLC's GoogLeNet, and the length is 250 passes of it, as BVLC's was 60 with another fall.
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

NEIGHBOURS: Mapping[str, Mapping[str, Any]] = {
    "LeNet-5": LENET,
    "AlexNet": ALEXNET,
    "GoogLeNet": GOOGLENET,
    **{f"ResNet-{n}": {"net": f"ResNet-{n}", **RESIDUAL} for n in (18, 34, 50, 101, 152)},
    **{f"Plain-{n}": {"net": f"Plain-{n}", **RESIDUAL} for n in (18, 34)},
    **{f"CIFAR-ResNet-{n}": {"net": f"ResNet-{n}", **CIFAR} for n in (20, 32, 44, 56)},
    "CIFAR-ResNet-110": {"net": "ResNet-110", **CIFAR, "warm_up": BRIEFLY},
    **{f"CIFAR-Plain-{n}": {"net": f"Plain-{n}", **CIFAR} for n in (20, 32, 44, 56)},
}
"""Of each its net and how it is trained; the rest is as in `Settings`."""

PRINTED_AS = {"GoogLeNet-aux": "GoogLeNet", "ResNet-18": "ResNet-18-A"}
"""Nets whose errors are printed under another name, or of their kin alone."""
