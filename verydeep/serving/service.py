"""A model at work: pictures are let in, read by threads, and answered for by the network's own.

What is let in is bounded in pictures; beyond that nothing waits, and who asks is told when to come
again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from verydeep.engines.engine import Engine
from verydeep.errors import PictureError, UserError
from verydeep.insight.signals import frozen
from verydeep.report.units_file import KnownRow, KnownUnit, KnownUnits
from verydeep.runtime.threads import settle
from verydeep.serving.answers import Answer
from verydeep.serving.maps import METHODS, Map
from verydeep.serving.metrics import Metrics
from verydeep.serving.model import Asked, Model, Seen, read
from verydeep.serving.network_thread import NetworkThread, Work
from verydeep.serving.receiving import Limits
from verydeep.serving.refusals import Refusal, ending, of_picture
from verydeep.serving.units import UnitMap, unit_maps

READERS = 8
"""Threads that read pictures, at most: each may need some hundreds of MB for a large one."""
LIKE = 3
"""Names that are told of where one is asked for that there is not."""


class AskedMap(NamedTuple):
    """A map that is asked for: of which class, by which method; without a class, of the first."""

    seen: Seen
    method: str
    label: int | None


class AskedUnits(NamedTuple):
    """Maps of a layer's units that are asked for."""

    seen: Seen
    layer: str


class Mapped(NamedTuple):
    """A map that was made, and of which class."""

    map: Map
    label: int
    seen: Seen


class UnitsMapped(NamedTuple):
    """Maps of a layer's units that were made, and what is known of them."""

    maps: list[UnitMap]
    row: KnownRow
    seen: Seen


class Service:
    """A model, the threads that work for it, and what is let in; everything is counted.

    It has answered for a picture once it is there: UserError where it cannot. `batch` are the
    pictures that the network works on at once, at most; `units` those whose patches are known.
    """

    def __init__(
        self,
        model: Model,
        limits: Limits,
        threads: int,
        batch: int,
        units: KnownUnits | None = None,
    ) -> None:
        self.model, self.limits, self.metrics, self.units = model, limits, Metrics(), units
        self.ending, self._inside = asyncio.Event(), Counter[Work]()
        self._network = NetworkThread(self.metrics.batch)
        self._readers = ThreadPoolExecutor(min(threads, READERS), "reading", settle)
        self.predicting = Work("predict", model.answers, batch)
        self.explaining = Work("explain", self._maps)
        self.looking = Work("units", self._unit_maps)
        self._mapped = None if model.mapped is None else _frozen(model.mapped)
        self._warm()

    @property
    def is_ready(self) -> bool:
        """Whether it takes pictures."""
        return not self.ending.is_set()

    @property
    def can_map(self) -> bool:
        """Whether there are maps: a net that tells classes, and no stack."""
        return self._mapped is not None

    def end(self) -> None:
        """Ends its threads; what waits is not done."""
        self.ending.set()
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._network.end()

    # --- what is let in

    @property
    def inside(self) -> int:
        """Pictures that are read, wait or are worked on."""
        return self._inside.total()

    def refuse_more(self, pictures: int = 1) -> None:
        """Raises Refusal where so many pictures more are not to be let in."""
        if self.ending.is_set():
            raise ending()
        if self.inside + pictures > self.limits.pictures:
            seconds = sum(n * self._network.seconds(work) for work, n in self._inside.items())
            said = f"{self.inside} pictures wait already, of {self.limits.pictures} at most"
            raise Refusal(503, f"{said}; try again later", "queue", seconds)

    @contextmanager
    def places(self, work: Work, pictures: int = 1) -> Iterator[None]:
        """Within, so many pictures are let in for a work; Refusal where they are not."""
        if pictures > self.limits.pictures:
            said = f"{pictures} pictures; a request has at most {self.limits.pictures}"
            raise Refusal(413, said, "pictures")
        self.refuse_more(pictures)
        self._inside[work] += pictures
        try:
            yield
        finally:
            self._inside[work] -= pictures

    # --- what is asked

    async def predict(self, pictures: Sequence[bytes], top: int | None) -> list[Answer | Refusal]:
        """What each picture shows, or why it cannot be read."""

        async def one(picture: bytes) -> Answer | Refusal:
            try:
                seen, found = await self._done(picture, self.predicting, lambda s: Asked(s, top))
            except PictureError as error:
                refusal = of_picture(error).counted()
                self.metrics.refused(refusal.cause)
                return refusal
            return Answer.of(seen, found)

        return await asyncio.gather(*map(one, pictures))

    async def explain(self, picture: bytes, method: str, name: str | None) -> Mapped:
        """A map of what the net sees in a picture; Refusal where there is none, or none of it."""
        if not self.can_map:
            raise Refusal(404, "this network has no maps", "no map")
        label = None if name is None else self._label(name)
        if method not in METHODS:
            raise Refusal(400, f"no method of that name; there are {', '.join(METHODS)}", "query")
        ask = partial(AskedMap, method=method, label=label)
        try:
            _, mapped = await self._done(picture, self.explaining, ask, mapped=True)
        except PictureError as error:
            raise of_picture(error) from None
        assert isinstance(mapped, Mapped)
        return mapped

    async def look(self, picture: bytes, layer: str | None) -> UnitsMapped:
        """Maps of the known units of a layer; Refusal where there are none, or none of it."""
        if self.units is None:
            raise Refusal(404, "no units are known here", "no units")
        if layer is None or layer not in self.units.rows:
            said = f"no layer of that name is known; there are {', '.join(self.units.rows)}"
            raise Refusal(400, said, "query")
        ask = partial(AskedUnits, layer=layer)
        try:
            seen, maps = await self._done(picture, self.looking, ask, mapped=True)
        except PictureError as error:
            raise of_picture(error) from None
        return UnitsMapped(maps, self.units.rows[layer], seen)

    def known(self, layer: str | None, number: int | None) -> KnownUnit:
        """What is known of a unit of a layer; Refusal where that is nothing."""
        row = self.units.rows.get(layer or "") if self.units else None
        if row is None or number not in row.known:
            raise Refusal(404, "nothing is known of such a unit", "no units")
        return row.known[number]

    def _label(self, name: str) -> int:
        classes = self.model.classes
        if name in classes:
            return classes.index(name)
        near = get_close_matches(name, classes, LIKE)
        hint = f"; there is {', '.join(near)}" if near else ""
        raise Refusal(400, f"no class of that name{hint}", "query")

    async def _done(
        self, picture: bytes, work: Work, ask: Callable[[Seen], Any], *, mapped: bool = False
    ) -> tuple[Seen, Any]:
        """A picture that was read, and what comes of asking for it."""
        loop = asyncio.get_running_loop()
        with self._network.reading():
            reading = partial(read, self.model, picture, mapped=mapped)
            seen = await loop.run_in_executor(self._readers, reading)
            future = self._network.submit(work, ask(seen))
        return seen, await asyncio.wrap_future(future)

    # --- what the network's thread does

    def _maps(self, asked: Sequence[AskedMap]) -> list[Mapped]:
        engine, found = self._mapped, []
        assert engine is not None
        for seen, method, label in asked:
            assert seen.whole is not None
            if label is None:
                label = self._first(seen)
            found.append(Mapped(Map.of(engine, seen.whole, method, label), label, seen))
        return found

    def _unit_maps(self, asked: Sequence[AskedUnits]) -> list[list[UnitMap]]:
        engine, units = self._mapped, self.units
        assert engine is not None
        assert units is not None
        found = []
        for seen, layer in asked:
            assert seen.whole is not None
            known = [*units.rows[layer].known]
            found.append(unit_maps(engine.network, seen.whole, layer, known))
        return found

    def _first(self, seen: Seen) -> int:
        """The most probable class of a picture."""
        ((best, *_),) = self.model.answers([Asked(seen, 1)])
        return self.model.classes.index(str(best[0]))

    def _warm(self) -> None:
        """Has one picture go all the way."""
        buffer = BytesIO()
        Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(buffer, "PNG")
        asked = Asked(read(self.model, buffer.getvalue()), 1)
        found = self._network.submit(self.predicting, asked).result()
        numbers = list(_numbers(found))
        if not np.isfinite(numbers).all():
            raise UserError("the network's answers are no finite numbers; its weights are damaged")


def _frozen(engine: Engine) -> Engine:
    """The same engine of the same network, of which nothing asks for a gradient."""
    return replace(engine, network=frozen(engine.network))


def _numbers(found: Sequence[Any]) -> Iterator[float]:
    """The numbers of what was found, those of a box too."""
    for value in found:
        if isinstance(value, tuple):
            yield from _numbers(value)
        elif isinstance(value, float):
            yield value
