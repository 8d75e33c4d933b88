"""A predictor: weights, the machine and what runs them, in one; pictures in, posteriors out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float32
from torch import Tensor

from verydeep.engines.engine import Engine, chosen, engines_for
from verydeep.errors import PictureError, escaped
from verydeep.nets.network import Answer, Network, most_probable
from verydeep.nets.stack import Stack
from verydeep.pictures.preprocessing import with_mirror
from verydeep.pictures.reading import Source
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


@dataclass(frozen=True)
class Predictor:
    """A network or a stack, and what runs each network, asked for pictures one by one.

    `is_unnamed` says that nobody has named its classes: they are called by their numbers.
    """

    model: Network | Stack
    engines: tuple[Engine, ...]
    is_unnamed: bool = False

    @classmethod
    def of(cls, weights: Path | str, machine: Machine, engine: str | None = None) -> Predictor:
        """That of a weights file; `engine` is the name of one, or else the fastest there is.

        Raises UserError where the file cannot be used, or the net has no scores.
        """
        name = chosen(engine, machine.device)
        model = load_any(weights, machine.device)
        networks = model.networks if isinstance(model, Stack) else (model,)
        _ = networks[0].table.scores  # refuses a net without scores
        engines = engines_for(networks, name, machine.threads)
        return cls(model, engines, read_info(weights).is_unnamed)

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
        return Prediction(self.model.classes, self._posteriors(picture))

    @torch.inference_mode()
    def _posteriors(self, picture: Source) -> Float32[Tensor, " K"]:
        if isinstance(self.model, Stack):
            return self.model.posteriors_of(picture, [engine.evidence for engine in self.engines])
        (engine,), pixels = self.engines, self.model.pixels
        views = torch.from_numpy(with_mirror(pixels.read(picture, pixels.test_scale)))
        evidence = engine.evidence(views.to(self.model.device))
        return engine.verdict(evidence.mean(0, keepdim=True))[0]
