"""What every reader of another family's file gives: weights by Caffe's names, as ours are laid out.

Readers know their own family's names, layouts and pixels; which configuration of Table 1 the
weights make is found from names and shapes, the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from verydeep.nets.table import Table
from verydeep.pictures.preprocessing import Pixels

AUTHORS = Pixels(scale=(256, 256), mean=(103.939, 116.779, 123.68), order="BGR")
"""What the authors' nets were trained on; the mean is in the channels' own order, B, G, R."""
TORCHVISION = Pixels(
    scale=(256, 256), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), maximum=1
)
"""What torchvision trained with, and most nets whose files say nothing else."""
GOOGLENET = Pixels(scale=(256, 256), mean=(127.5,) * 3, std=(127.5,) * 3)
"""What torchvision's GoogLeNet is shown, +-1: its weights are of another program's training, and
`transform_input` makes these pixels of torchvision's."""
PIXELS, SCALE = "pixels", "scale"
"""What a reader may have had to guess."""
ALL_GUESSED = (PIXELS, SCALE)
"""Of a file that says nothing of its pixels."""


@dataclass(frozen=True)
class Parameters:
    """Weights and biases of a net, by layer, with the pixels that they were trained on.

    `tensors` are float32 under Caffe's names: "conv1_1.weight" [O, I, h, w], "conv1_1.bias" [O];
    an FC layer is a convolution too, "fc6.weight" [4096, 512, 7, 7] with columns in C, h, w order.
    Norms after a convolution are "bn1_1.weight", ".bias", ".running_mean" and ".running_var".
    `classes` are those that the file names, in the order of the scores, or None; `notes` tell in a
    line each what a user should know of how the file was read. `table` is what a file of our own
    writing says of its net, not yet held against the tensors, or that of a net beside Table 1 which
    a reader has recognised; without, the net is found from them.
    `lrn` tells whether response normalisation, as A-LRN has it, follows conv1_1: None where the
    file does not say. `guessed` names what of the pixels the file does not say, and the reader
    took from its family: "pixels" (order, range, mean and deviation), "scale" (S), or both. `cut`
    tells that a head of another kind followed and was left out, so that the last FC layer, if there
    is any, is a hidden one. `pooled` tells whether a net without FC layers ends with pooling: None
    where the file does not say.
    """

    family: str
    tensors: Mapping[str, np.ndarray]
    pixels: Pixels
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    table: Table | None = None
    lrn: bool | None = None
    guessed: tuple[str, ...] = ()
    cut: bool = False
    pooled: bool | None = None
