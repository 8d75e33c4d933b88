"""What a network is shown of a picture: a protocol turns a picture into views.

In comes a picture rescaled to Q; out go one or more views of it, uint8 [V, h, w, 3], whose
posteriors are averaged (Sect. 3.2). Protocols differ in their views and in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from verydeep.errors import UserError
from verydeep.nets.network import Network
from verydeep.pictures import Picture
from verydeep.preprocessing import centre_crop, with_mirror

Views = UInt8[np.ndarray, "V h w 3"]

NAMES = {
    "centre": "one centre crop",
    "dense": "dense, with mirror image",
}
"""The protocols, and how they are called in print."""


@dataclass(frozen=True)
class Protocol:
    """How pictures are tested: the kind of views, the training crop, and the scale Q in pixels."""

    name: str
    crop: int
    scale: int

    def __str__(self) -> str:
        crop = f" of {self.crop}" if self.name == "centre" else ""
        return f"{NAMES[self.name]}{crop}, Q = {self.scale}"

    def views(self, image: Picture) -> Views:
        """The views of a picture that has been rescaled to Q."""
        if self.name == "centre":
            return centre_crop(image, self.crop)[None]
        return with_mirror(image)


def protocol(network: Network, name: str, scale: int | None = None) -> Protocol:
    """The protocol of that name for a network; Q is the middle of its training scales by default.

    Raises UserError for an unknown name, or a Q smaller than the crop.
    """
    if name not in NAMES:
        raise UserError(f"no protocol '{name}'; there are {', '.join(NAMES)}")
    scale = network.pixels.test_scale if scale is None else scale
    if scale < network.table.crop:
        raise UserError(
            f"a test scale of {scale} is below the network's crop of {network.table.crop}; "
            f"Q is the smaller side of the test picture, in pixels"
        )
    return Protocol(name, network.table.crop, scale)
