"""Pictures however they are given, in: names, folders, open files, arrays, tensors; sources out.

One picture is a file's path, its bytes, an open file, a Pillow image, or an array or tensor of two
or three axes. Several are a folder or a glob, an array or tensor of four axes, or a list of any.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from verydeep.errors import PictureError, UserError, one_line
from verydeep.parts.entries import UNREAD, is_hidden, is_picture, natural_key, why_no_picture
from verydeep.pictures.reading import SUFFIXES, Source, read_pillow
from verydeep.runtime.progress import SILENT, Progress, Shown

CHANNELS = (1, 3, 4)
"""Channels that a picture may have: grey, RGB, RGBA."""
SHORT = 1.0
"""Seconds of work of which nothing is told."""
LONGEST = 4096
"""Letters that a path has at the most."""
KINDS = (
    "expected a path, bytes, an open file, a Pillow image, an array, a tensor, a folder, or a list "
    "of these"
)
T = TypeVar("T")


@dataclass(frozen=True)
class Given:
    """What was given, picture by picture; `alone` says that it was one, and not a list of one."""

    pictures: tuple[Any, ...]
    alone: bool


def given_pictures(given: Any, progress: Progress = SILENT) -> Given:
    """The pictures that somebody gave, in order, each of a kind that `source_of` takes.

    A folder stands for every picture below it. Raises UserError for what is no picture, or could
    be two things; that a file is there and sound is seen when it is read.
    """
    if _is_name(given):
        name = os.fspath(given)
        return Given(tuple(found_pictures([name], progress)), not _is_several(name))
    if (alone := _alone(given)) is None:
        raise UserError(f"{_called(given)} is no picture; {KINDS}")
    if alone:
        _refuse_no_picture(given, "")
        return Given((given,), True)
    listed = list(given)
    pictures: list[Any] = []
    for i, one in enumerate(listed):
        where = f"picture {i + 1} of {len(listed)}: "
        if _is_name(one):
            pictures += found_pictures([os.fspath(one)], progress)
            continue
        if not _alone(one):
            raise UserError(f"{where}{_called(one)} is not one picture; give a list of single ones")
        _refuse_no_picture(one, where)
        pictures.append(one)
    return Given(tuple(pictures), False)


def found_pictures(named: Sequence[str], progress: Progress = SILENT) -> list[str]:
    """The pictures that files, folders and globs name, in order.

    A folder stands for every picture below it, by name; pictures of other formats there are told
    to the watch. Raises UserError for what names nothing.
    """
    found: list[str] = []
    for name in named:
        if _is(Path.is_dir, name):
            below = [p for p in Path(name).rglob("*") if p.suffix.casefold() in SUFFIXES | UNREAD]
            seen = [str(p) for p in below if not is_hidden(p.relative_to(name).as_posix())]
            pictures = [path for path in seen if is_picture(path)]
            for why, count in Counter(filter(None, map(why_no_picture, seen))).items():
                progress.say(f"left out in {name}: {count} {why}")
        elif _is_several(name):
            pictures = glob(name, recursive=True)  # noqa: PTH207 - keeps the user's own spelling
        else:
            pictures = [name]
        if not pictures:
            raise UserError(f"no pictures in {name}; expected {', '.join(sorted(SUFFIXES))}")
        found += sorted(pictures, key=natural_key)
    return found


def source_of(picture: Any) -> Source:
    """One of the pictures of a `Given` as `read_picture` takes it.

    Channels of arrays and tensors come last. An open file is read from its beginning, where it can
    be taken back there. Raises PictureError where it cannot be read.
    """
    if isinstance(picture, str | Path | bytes):
        return picture
    if isinstance(picture, bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, Image.Image):
        return read_pillow(picture)
    if hasattr(picture, "read"):
        return _content(picture)
    array = np.asarray(picture.cpu() if _is_tensor(picture) else picture)
    first = array.ndim == 3 and array.shape[2] not in CHANNELS
    return array.transpose(1, 2, 0) if first else array  # [C, H, W] -> [H, W, C]


def answered(
    pictures: Any, answer: Callable[[Source], list[T]], progress: Progress | None = None
) -> list[T] | list[list[T]]:
    """The answer for a picture, or for several a list of theirs, in order.

    How far several are is told to `progress`, by default to whoever started it. A picture that
    cannot be read raises PictureError where it is alone; among several its answer is empty, and
    why is said.
    """
    progress = progress or Shown()
    given, begun = given_pictures(pictures, progress), monotonic()
    if given.alone:
        return answer(source_of(given.pictures[0]))
    found: list[list[T]] = []
    total = len(given.pictures)
    for i, picture in enumerate(given.pictures):
        try:
            found.append(answer(source_of(picture)))
        except PictureError as error:
            progress.say(f"picture {i + 1} of {total} has no answer: {error}")
            found.append([])
        if monotonic() - begun > SHORT:
            progress.step("predicting", i + 1, total)
    return found


def _is_name(given: Any) -> bool:
    return isinstance(given, str | os.PathLike)


def _is_several(name: str) -> bool:
    """Whether a name is that of a folder or a glob; UserError for an address, or a long text."""
    if len(name) > LONGEST:
        raise UserError(f"a text of {len(name):,} letters is no path of a picture; {KINDS}")
    if "://" in name:
        raise UserError(
            f"{one_line(name)} is an address, and no connection is opened for pictures; fetch it "
            f"first, and give the file or its bytes"
        )
    return _is(Path.is_dir, name) or (has_magic(name) and not _is(Path.exists, name))


def _is(question: Callable[[Path], bool], name: str) -> bool:
    """The answer to a question about a path; no where the system does not take its name."""
    try:
        return question(Path(name))
    except (OSError, ValueError):
        return False


def _alone(given: Any) -> bool | None:
    """Whether it is one picture or several; None where it is of no kind that could be either."""
    if isinstance(given, bytes | bytearray | memoryview | Image.Image) or hasattr(given, "read"):
        return True
    if _is_array(given):
        several = len(given.shape) == 4 or (len(given.shape) == 1 and _is_of_objects(given))
        return not several
    if isinstance(given, Iterable) and not isinstance(given, Mapping | Set):
        return False
    return None


def _is_of_objects(array: Any) -> bool:
    """Whether it is of names or of pictures, as a column of a data frame is."""
    return not _is_tensor(array) and np.asarray(array).dtype.kind in "OUT"


def _is_array(given: Any) -> bool:
    return all(hasattr(given, name) for name in ("__array__", "shape", "dtype"))


def _is_tensor(given: Any) -> bool:
    return hasattr(given, "cpu") and hasattr(given, "detach")


def _refuse_no_picture(picture: Any, where: str) -> None:
    """Raises UserError for an array that is no picture or could be two, and for a file of text."""
    if isinstance(picture, io.TextIOBase):
        raise UserError(f"{where}a file opened as text; open it with open(path, 'rb')")
    if not _is_array(picture) or isinstance(picture, Image.Image):
        return
    shape = tuple(picture.shape)
    kind = getattr(picture.dtype, "name", str(picture.dtype)).removeprefix("torch.")
    what = f"{where}{_called(picture)} of {list(shape)}"
    if "float" in kind:
        raise UserError(
            f"{what} holds {kind}, whose range is not known; of values from 0 to 1, give "
            f"{_as_bytes(picture, '(x * 255).round()')}; what is in the network's own pixels goes "
            f"to network.posteriors"
        )
    if kind not in ("bool", "uint8", "uint16"):
        raise UserError(
            f"{what} holds {kind}; pictures are uint8, uint16 or bool: of values from 0 to 255, "
            f"give {_as_bytes(picture, 'x')}"
        )
    if kind == "uint16" and 0 < int(np.asarray(picture).max(initial=0)) < 256:
        raise UserError(
            f"{what} holds uint16 of at most 255, where white is 65535; of values from 0 to 255, "
            f"give {_as_bytes(picture, 'x')}"
        )
    last, first = (len(shape) == 3 and shape[i] in CHANNELS for i in (2, 0))
    if last and first:
        raise UserError(
            f"{what} could have its channels first or last; a picture has more than 4 pixels a side"
        )
    if len(shape) != 2 and not (last or first):
        raise UserError(
            f"{what} is no picture; expected [H, W], [H, W, C] or [C, H, W] with 1, 3 or 4 "
            f"channels, or a batch of either with four axes"
        )


def _as_bytes(picture: Any, values: str) -> str:
    """What makes 8 bits of values, as one writes it."""
    return f"{values}.{'byte()' if _is_tensor(picture) else 'astype(np.uint8)'}"


def _called(given: Any) -> str:
    """What something is called in a refusal."""
    kind = type(given).__name__
    if _is_tensor(given) or isinstance(given, np.ndarray):
        return "a tensor" if _is_tensor(given) else "an array"
    return "None" if given is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _content(file: Any) -> bytes:
    """What an open file holds; PictureError where it cannot be read."""
    try:
        if getattr(file, "seekable", bool)():
            file.seek(0)
        content = file.read()
    except (OSError, ValueError) as error:
        raise PictureError(f"an open file that cannot be read: {one_line(error)}") from None
    if not isinstance(content, bytes):
        raise PictureError(f"an open file that gives {type(content).__name__}, where bytes are due")
    return content
