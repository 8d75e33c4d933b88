"""Maps of what a network sees in a picture: one function for each method, of a name.

A method gives a value for each pixel of a picture at Q, of one class. A method more is a line of
METHODS: page, interface and description are made of it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from verydeep.engines.engine import Engine
from verydeep.insight.maps import maps_of
from verydeep.insight.score_maps import Heat, score_maps
from verydeep.insight.view import View
from verydeep.pictures.reading import Picture
from verydeep.pictures.windows import Window
from verydeep.report.thumbnails import lit

GREY = 150
"""What a map is drawn on where the picture itself is not sent back."""


Make = Callable[[Engine, Picture, int], Heat]
"""From a network with what runs it, a picture at Q and a class to a value for each pixel.

Nothing of the network asks for a gradient (`signals.frozen`).
"""


def _scores(engine: Engine, image: Picture, label: int) -> Heat:
    (heat,) = score_maps(engine.network, image, [label], engine)
    return heat


def _by_gradient(method: str) -> Make:
    """A method of `insight` that wants gradients, which PyTorch alone gives."""

    def make(engine: Engine, image: Picture, label: int) -> Heat:
        view = View(engine.network, image, Window.whole((image.shape[0], image.shape[1])))
        (found,) = maps_of(view, label, (method,), engine)
        return np.asarray(found.values, np.float32)

    return make


@dataclass(frozen=True)
class Method:
    """A way of making a map: what it is called and what its values are, for people.

    They are 0 and more; `is_share` says that they are told in percent.
    """

    title: str
    unit: str
    make: Make
    is_share: bool = False

    def told(self, value: float) -> str:
        """A value in words."""
        return f"{100 * value:.1f} %" if self.is_share else f"{value:.3g}"


METHODS: dict[str, Method] = {
    "scores": Method("Score map", "posterior of the crop about a place", _scores, is_share=True),
    "gradcam": Method("Grad-CAM", "score", _by_gradient("gradcam")),
    "gradient": Method("Gradient", "score per grey level", _by_gradient("gradient")),
}
"""The methods by name, the first of which is the default."""


@dataclass(frozen=True)
class Map:
    """A map of one class, with the scale of its values, which begins at 0."""

    heat: Heat
    largest: float

    @classmethod
    def of(cls, engine: Engine, image: Picture, method: str, label: int) -> Map:
        """The map of a class by the method of that name."""
        heat = METHODS[method].make(engine, image, label)
        return cls(heat, float(heat.max()))

    @property
    def share(self) -> Heat:
        """Its values in shares of the largest."""
        return self.heat / self.largest if self.largest > 0 else self.heat

    def grey(self) -> bytes:
        """It as a PNG of 8 bits: 0 is 0, and 255 the largest value."""
        return png((255 * self.share).round().astype(np.uint8))

    def drawn(self) -> str:
        """It as an image inside a page, on grey in place of the picture."""
        ground = np.full((*self.heat.shape, 3), GREY, np.uint8)
        return "data:image/png;base64," + b64encode(png(lit(ground, self.share))).decode()


def scale() -> str:
    """The colours from 0 to the largest value, as an image inside a page."""
    ground, steps = np.full((12, 160, 3), GREY, np.uint8), np.linspace(0, 1, 160)
    picture = lit(ground, np.tile(steps, (12, 1)))
    return "data:image/png;base64," + b64encode(png(picture)).decode()


def png(pixels: UInt8[np.ndarray, "H W *C"]) -> bytes:
    """A picture as a PNG."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
