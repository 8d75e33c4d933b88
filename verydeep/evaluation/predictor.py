"""A predictor: weights, the machine and what runs them, in one; pictures in, posteriors out.

A picture is read, and then answered for: the first may be done by any number of threads, the second
of several pictures at once, which changes nothing but the last digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from verydeep.engines.engine import Engine, chosen, engines_for
from verydeep.errors import PictureError, escaped
from verydeep.evaluation.showing import Shower, by_shape
from verydeep.evaluation.views import Pass, dense
from verydeep.nets.network import Answer, Network, most_probable
from verydeep.nets.stack import Stack
from verydeep.pictures.preprocessing import Pixels, centre_crop
from verydeep.pictures.reading import Picture, Source
from verydeep.runtime.machine import Machine
from verydeep.weights.file import read_info
from verydeep.weights.stacks import load_any


@dataclass(frozen=True)
class Prediction:
    """What a network says of one picture: the posteriors of its classes.

    They sum to one, but where a network's classes are each by itself.
    """

    classes: tuple[str, ...]
    posteriors: Float32[Tensor, " K"]

    def top(self, count: int = 5) -> Answer:
        """The most probable classes, as (class name, posterior)."""
        return most_probable(self.classes, self.posteriors, count)

    def __repr__(self) -> str:
        return f"Prediction({', '.join(f'{escaped(name)} {p:.3f}' for name, p in self.top(3))})"


Shown = UInt8[np.ndarray, "_ _ 3"]
Read = tuple[tuple[Shown, ...], ...]
"""A picture as each network is shown it, pass by pass."""


@dataclass(frozen=True)
class Predictor:
    """A network or a stack, and what runs each network, asked for pictures one by one or several.

    `is_unnamed` says that nobody has named its classes: they are called by their numbers. A network
    is shown a picture `way`: "whole", with its mirror image, or its "centre" crop alone; a stack
    whole.
    """

    model: Network | Stack
    engines: tuple[Engine, ...]
    is_unnamed: bool = False
    way: str = "whole"

    @classmethod
    def of(
        cls,
        weights: Path | str,
        machine: Machine,
        engine: str | None = None,
        way: str = "whole",
    ) -> Predictor:
        """That of a weights file; `engine` is the name of one, or else the default.

        Raises UserError where the file cannot be used, or the net has no scores.
        """
        name = chosen(engine, machine.device)
        model = load_any(weights, machine.device)
        networks = model.networks if isinstance(model, Stack) else (model,)
        networks[0].table.refuse_boards()
        _ = networks[0].table.scores  # refuses a net without scores
        engines = engines_for(networks, name, machine.threads)
        return cls(model, engines, read_info(weights).is_unnamed, way)

    def predict(self, pictures: Iterable[Source]) -> Iterator[Prediction | PictureError]:
        """What the network says of each picture, or why it cannot be read, one by one."""
        for picture in pictures:
            try:
                yield self.ask(picture)
            except PictureError as error:
                yield error

    def ask(self, picture: Source) -> Prediction:
        """What the network says of a picture; PictureError where it cannot be read.

        A picture is a path, bytes or an array, and is shown whole at the middle of the training
        scales, or at a stack's own, with its mirror image (dense testing, Sect. 3.2).
        """
        return self.answers([self.read(picture)])[0]

    def read(self, picture: Source) -> Read:
        """A picture as it is shown; PictureError where it cannot be read."""
        return tuple(
            tuple(self._shown(pixels, shown_as, picture) for shown_as in passes)
            for pixels, passes in self._networks
        )

    def answers(self, pictures: Sequence[Read]) -> list[Prediction]:
        """What the network says of several pictures; those of one shape are run together."""
        each = self.posteriors(pictures) if pictures else ()
        return [Prediction(self.model.classes, row) for row in each]

    @torch.inference_mode()
    def posteriors(self, pictures: Sequence[Read]) -> Float32[Tensor, "N K"]:
        """The posteriors of each of several pictures."""
        evidence = [
            self._evidence(number, [read[number] for read in pictures])
            for number in range(len(self.engines))
        ]
        if isinstance(self.model, Stack):
            return self.model.verdict(evidence).cpu()
        return self.engines[0].verdict(evidence[0]).cpu()

    @staticmethod
    def _shown(pixels: Pixels, shown_as: Pass, picture: Source) -> Picture:
        """A picture as one pass shows it."""
        image = pixels.read(picture, shown_as.scale)
        return centre_crop(image, shown_as.crop) if shown_as.way == "centre" else image

    def _evidence(self, number: int, pictures: Sequence[tuple[Shown, ...]]) -> Tensor:
        """The mean evidence of pictures over the passes of a network, [N, D]."""
        show, device = self._showers[number], self.model.device
        _, passes = self._networks[number]
        total = np.zeros((len(pictures), self.engines[number].columns), np.float32)
        for shown_as, images in zip(passes, zip(*pictures, strict=True), strict=True):
            for alike in by_shape(images):
                rows = show(shown_as, [images[i] for i in alike])
                total[alike] += np.concatenate(rows)
        return torch.from_numpy(total / np.float32(len(passes))).to(device)

    @cached_property
    def _networks(self) -> list[tuple[Pixels, tuple[Pass, ...]]]:
        """The pixels of each network, and what it is shown."""
        if isinstance(self.model, Stack):
            return [(member.network.pixels, dense(member).passes) for member in self.model.members]
        pixels = self.model.pixels
        return [(pixels, (Pass(self.way, self.model.table.crop, pixels.test_scale),))]

    @cached_property
    def _showers(self) -> list[Shower]:
        return [Shower(engine) for engine in self.engines]
