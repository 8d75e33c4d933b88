"""Prediction: a trained network and any pictures in, class names and posteriors out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

from verydeep import weights
from verydeep.datasets.entries import UNREAD, is_hidden, is_picture, natural_key, why_no_picture
from verydeep.engines.engine import chosen, words
from verydeep.errors import PictureError, UserError
from verydeep.evaluation.predictor import Predictor
from verydeep.pictures.reading import SUFFIXES
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import SILENT, Progress

Answer = list[tuple[str, float]]
UNNAMED = (
    "the network's classes have no names: each is called by the number of its score, from 0, which "
    "need not be the name of a folder; `verydeep weights import --classes` names them"
)
"""What is said before the answers of a network that nobody has named the classes of."""


def found_pictures(named: Sequence[str], progress: Progress = SILENT) -> list[str]:
    """The pictures that files, folders and globs name, in order.

    A folder stands for every picture below it, by name; pictures of other formats there are told
    to the watch. Raises UserError for what names nothing.
    """
    found: list[str] = []
    for name in named:
        if Path(name).is_dir():
            below = [p for p in Path(name).rglob("*") if p.suffix.casefold() in SUFFIXES | UNREAD]
            seen = [str(p) for p in below if not is_hidden(p.relative_to(name).as_posix())]
            pictures = [path for path in seen if is_picture(path)]
            for why, count in Counter(filter(None, map(why_no_picture, seen))).items():
                progress.say(f"left out in {name}: {count} {why}")
        elif Path(name).exists() or not has_magic(name):
            pictures = [name]
        else:
            pictures = glob(name, recursive=True)  # noqa: PTH207 - keeps the user's own spelling
        if not pictures:
            raise UserError(f"no pictures in {name}; expected {', '.join(sorted(SUFFIXES))}")
        found += sorted(pictures, key=natural_key)
    return found


def answers(
    weights_path: str | Path,
    pictures: Sequence[str],
    top: int = 5,
    device: str | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[str, Answer | str]]:
    """(picture, its most probable classes), or (picture, why it cannot be read), one by one.

    `engine` names what runs the network; without it, the fastest there is for the device.
    """
    machine, progress = Machine.this(device), progress or Progress()
    progress.say(words(chosen(engine, machine.device), asked=engine is not None))
    predictor = Predictor.of(weights.find(weights_path), machine, engine)
    if predictor.is_unnamed:
        progress.say(UNNAMED)
    for picture, found in zip(pictures, predictor.predict(pictures), strict=True):
        yield picture, str(found) if isinstance(found, PictureError) else found.top(top)
