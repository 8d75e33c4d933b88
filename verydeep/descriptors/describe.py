"""Pictures in, descriptors out: by one network or several, at one Q or several.

A piece is what one network makes of a picture, or of what is in its box: the mean of a row's map
over space, over the picture and its mirror image, and over its Q (Appendix B). Pieces are made of
length one, put one after another, and the whole made of length one; the paper does not say whether
it made the parts so.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from verydeep.descriptors import cache
from verydeep.descriptors.boxed import box_of, boxed
from verydeep.descriptors.cache import Keys, Sheet
from verydeep.descriptors.features import What
from verydeep.engines.engine import Engine, engine_for
from verydeep.errors import PictureError
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.showing import a_row_each, callers, walk_of
from verydeep.evaluation.views import Pass
from verydeep.evaluation.walk import fault, walked
from verydeep.files import folder_lock
from verydeep.nets.network import Network
from verydeep.parts.dataset import Part
from verydeep.parts.seen import NO_KEY
from verydeep.runtime import memory
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime
from verydeep.runtime.threads import in_order
from verydeep.schema import Line, Sha256
from verydeep.weights.file import hash_of

Descriptors = Float32[np.ndarray, "N D"]


@dataclass(frozen=True)
class Piece:
    """A network with a mean row at its end, and the Q whose evidence is averaged.

    `layer` is the row that is meant, `path` where the weights lie; `of` what is described: the
    whole picture, or what is in its box, as if that were the picture.
    """

    network: Network
    layer: str
    scales: tuple[int, ...]
    path: str = ""
    of: What = "picture"

    @property
    def size(self) -> int:
        """How many numbers it gives of a picture."""
        table = self.network.table
        assert table.pooled is not None
        return table.shapes(table.crop, table.crop)[table.pooled][0]


@dataclass(frozen=True)
class Described:
    """Descriptors of pictures, the keys of their content, and why each that has none has none.

    The row of a picture that could not be read is NaN.
    """

    descriptors: Descriptors
    keys: Keys
    faults: tuple[str, ...]


@dataclass(frozen=True)
class _Way:
    """All that a row of a sheet depends on but the picture."""

    weights: Sha256
    pixels: Line
    words: tuple[str, ...]
    crop: int
    scale: int
    engine: str
    device: str


@dataclass(frozen=True)
class _Of:
    """What a journal is of: a way, and which pictures."""

    way: _Way
    pictures: str


def _keys_of(part: Part, runtime: Runtime, of: What) -> Keys:
    """The key of the content of each picture, or of its box; `NO_KEY` of one that cannot be read.

    Raises UserError where there is not one box.
    """
    progress = runtime.progress

    def read(i: int) -> int:
        box = "" if of == "picture" else str(box_of(part, i).tolist())
        with suppress(OSError, PictureError):
            return cache.content_key(part.source(i), box)
        return NO_KEY

    threads, keys = runtime.machine.threads, np.full(len(part), NO_KEY)
    for i, key in enumerate(in_order(read, range(len(part)), threads, ahead=64 * threads)):
        keys[i] = key
        progress.step("looking at pictures", i + 1, len(part))
    return keys


def described(
    part: Part, pieces: Sequence[Piece], runtime: Runtime, engine: str = "torch"
) -> Described:
    """A descriptor of length one of each picture.

    What the cache has is not made again, and what is made is put there; a walk that is cut short
    goes on where it was. Of several processes every one has them. Raises UserError where they take
    more memory than there is, and where a piece is of boxes and a picture has not one.
    """
    sizes = [piece.size for piece in pieces]
    shape = len(part), sum(sizes)
    found = _room(shape)
    parts = {of: boxed(part) if of == "box" else part for of in {p.of: None for p in pieces}}
    keys = {of: _keys_of(part, runtime, of) for of in parts}
    ends = np.cumsum(sizes)
    for piece, end in zip(pieces, ends, strict=True):
        columns = found[:, end - piece.size : end]
        for scale in piece.scales:
            columns += _evidence(parts[piece.of], keys[piece.of], piece, scale, runtime, engine)
        _made_unit(columns)
    found /= math.sqrt(len(pieces))
    found[np.isnan(found[:, ends - 1]).any(1)] = np.nan
    found = _everywhere(found, runtime)
    return Described(found, keys[pieces[0].of], tuple(_faults(parts, pieces, found)))


def _everywhere(found: Descriptors, runtime: Runtime) -> Descriptors:
    """Those of process 0, on every process: its cache alone has all that was made before."""
    bits = found.view(np.int32)  # a sum would turn -0 into 0
    if not runtime.ranks.is_main:
        bits[:] = 0
    return runtime.ranks.all_reduce_rows(bits, "the descriptors").view(np.float32)


def _room(shape: tuple[int, int]) -> Descriptors:
    """Zeros for so many descriptors; UserError where there is no room."""
    pictures, columns = shape
    what = f"descriptors of {pictures:,} x {columns:,}"
    memory.refuse(4 * pictures * columns, what, "take fewer scales or networks")
    return np.zeros(shape, np.float32)


def _made_unit(values: Descriptors) -> None:
    """Divides each row by its length; a row of zeros stays one."""
    lengths = np.sqrt(np.einsum("nd,nd->n", values, values, dtype=np.float64))
    values /= np.where(lengths == 0, 1, lengths).astype(np.float32)[:, None]


def _evidence(
    part: Part,
    keys: Keys,
    piece: Piece,
    scale: int,
    runtime: Runtime,
    engine: str,
) -> Descriptors:
    """What a piece's network gives of each picture at one Q, NaN of one that cannot be read."""
    is_main, way = runtime.ranks.is_main, _way(piece, scale, engine)
    sheet = Sheet.of(way, piece.size)
    rows = sheet.rows(keys)
    if not runtime.ranks.broadcast(bool(_missing(rows, keys))):
        return rows
    place = _unfinished(way, keys)
    with _alone(place if is_main else None, runtime.progress):
        rows = sheet.rows(keys)  # what another command has made meanwhile is there
        missing = np.array(_agreed(_missing(rows, keys), runtime), np.int64)
        of = _Of(way, _digest(keys[missing]))
        journal = Journal(place, of) if is_main and place else None
        made = _made(part.only(missing), way, piece, runtime, journal)
        read = ~np.isnan(made[:, 0])
        if is_main:
            sheet.put(keys[missing][read], made[read])
        if journal:
            journal.remove()
    by_key = dict(zip(keys[missing].tolist(), made, strict=True))
    for i in np.flatnonzero(np.isin(keys, keys[missing])).tolist():
        rows[i] = by_key[int(keys[i])]
    return rows


def _way(piece: Piece, scale: int, engine: str) -> _Way:
    network = piece.network
    pixels = {name: value for name, value in asdict(network.pixels).items() if name != "scale"}
    return _Way(
        hash_of(network), json.dumps(pixels, sort_keys=True), network.table.words,
        network.table.crop, scale, engine, network.device.type,
    )  # fmt: skip


def sheet_of(piece: Piece, scale: int, engine: str) -> Sheet:
    """Where the cache keeps what a piece's network gives at one Q."""
    return Sheet.of(_way(piece, scale, engine), piece.size)


def _missing(rows: Descriptors, keys: Keys) -> list[int]:
    """The pictures to be described: the first of each content of which nothing is kept."""
    _, first = np.unique(keys, return_index=True)
    waiting = np.zeros(len(keys), bool)
    waiting[first] = True
    return np.flatnonzero(waiting & (keys != NO_KEY) & np.isnan(rows[:, 0])).tolist()


def _agreed(missing: list[int], runtime: Runtime) -> list[int]:
    """What process 0 has found to be missing."""
    found: list[int] = json.loads(runtime.ranks.broadcast(json.dumps(missing)))
    return found


def _made(
    part: Part, way: _Way, piece: Piece, runtime: Runtime, journal: Journal | None
) -> Descriptors:
    """What a network gives of these pictures, a row each; what is done is kept against a kill."""
    threads, progress, network = runtime.machine.threads, runtime.progress, piece.network
    calls = callers(network.device.type, threads)
    engine: Engine = engine_for(network, way.engine, threads, calls)
    shown = Pass("whole", network.table.crop, way.scale)
    share = math.ceil(len(part) / runtime.ranks.world_size)

    def told(done: int) -> None:
        progress.step(f"{piece.layer} at Q = {way.scale}", min(done, share), share)

    return a_row_each(walked(walk_of(engine, part, (shown,), threads), runtime, told, journal))


def _digest(keys: Keys) -> str:
    return hashlib.sha256(keys.tobytes()).hexdigest()


def _unfinished(way: _Way, keys: Keys) -> Path | None:
    """Where the walk over these pictures is kept, in the cache; None where nothing is."""
    if not cache.limit():
        return None
    name = hashlib.sha256(f"{asdict(way)} {_digest(keys)}".encode()).hexdigest()[:32]
    place = cache.folder() / "unfinished" / name
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        return place
    return None


def _alone(place: Path | None, progress: Progress) -> AbstractContextManager[None]:
    """Within, no other command describes the same pictures."""
    if place is None:
        return nullcontext()
    waiting = "another command is describing these pictures; waiting for it"
    return folder_lock(place, lambda: progress.say(waiting))


def _faults(parts: Mapping[What, Part], pieces: Sequence[Piece], found: Descriptors) -> list[str]:
    """Why each picture without a descriptor has none."""
    lines = []
    for i in np.flatnonzero(np.isnan(found[:, 0])).tolist():
        whys = (_why(parts[piece.of], piece, i) for piece in pieces)
        name = next(iter(parts.values())).names[i]
        otherwise = f"{name}: could not be read when its turn came; it can be now"
        lines.append(next(filter(None, whys), otherwise))
    return lines


def _why(part: Part, piece: Piece, i: int) -> str | None:
    """Why a piece cannot be had of a picture; None where it can."""
    network = piece.network
    passes = [Pass("whole", network.table.crop, scale) for scale in piece.scales]
    why = fault(part, network.pixels, passes, i)
    return f"{part.names[i]}, its box: {why}" if why and piece.of == "box" else why
