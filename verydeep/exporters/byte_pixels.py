"""A network for bytes, 0 to 255, less a mean, whatever pixels it was trained on.

Order, range and deviation go into the filters that read the picture, for nothing but a product for
each colour stands between the two; borders stay zeros.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch

from verydeep.exporters.rows import no_place
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE, Conv


def for_bytes(network: Network, order: Literal["RGB", "BGR"], whom: str) -> Network:
    """The network with the same scores, to rounding, on such pixels; itself where it has them.

    Raises UserError where a row without filters of its own reads the picture.
    """
    pixels = network.pixels
    turned = pixels.order != order
    mean = torch.tensor(pixels.mean, dtype=torch.float64) * 255 / pixels.maximum
    gain = pixels.maximum / 255 / torch.tensor(pixels.std, dtype=torch.float64)
    if not turned and bool((gain == 1).all()):
        return network
    tensors = dict(network.state_dict())
    for row in network.table.rows:
        if PICTURE not in row.inputs:
            continue
        if not isinstance(row, Conv) or row.groups != 1:
            said = f"{type(row).__name__} of pixels other than {order} in 0-255"
            raise no_place(network.table, row, whom, said)
        weight = tensors[f"{row.name}.weight"].double() * gain[:, None, None]
        tensors[f"{row.name}.weight"] = (weight.flip(1) if turned else weight).float()
    first, second, third = (mean.flip(0) if turned else mean).tolist()
    own = replace(
        pixels, mean=(first, second, third), std=(1.0, 1.0, 1.0), order=order, maximum=255
    )  # fmt: skip
    made = Network.empty(network.table, network.classes, own)
    made.load_state_dict(tensors, assign=True)
    return made.train(network.training)
