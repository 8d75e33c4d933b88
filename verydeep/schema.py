"""What a file of ours may say, as types with bounds, and what one does say held against them.

A record is a TypedDict, which stays plain data, or a dataclass, which is made; its annotations are
the whole schema, so a new key is a new line. In comes what JSON or TOML made of a text, of any
kind; out goes the same, typed, or a `MisfitError` that names the key, what came and what may stand
there.

>>> class Net(TypedDict):
...     crop: Annotated[int, Between(1, 4096)]
...     classes: NotRequired[list[Line]]
>>> fitting(Net, {"crop": "x"}, "net")
MisfitError: net.crop is 'x'; a whole number from 1 to 4096 is needed
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from math import prod
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from verydeep.errors import one_line

NESTING = 32
"""Values within values; no file of ours has seven."""


class MisfitError(ValueError):
    """Why what a file says cannot be: the key, what came, and what was expected, in one line."""


@dataclass(frozen=True)
class Between:
    """Numbers from `least` to `most`; `ends` says which of the two count, as mathematics does."""

    least: float
    most: float
    ends: Literal["[]", "[)", "(]"] = "[]"

    def has(self, value: float) -> bool:
        """Whether a number is one of them; one that is none is not."""
        above = self.least < value if self.ends[0] == "(" else self.least <= value
        return above and (value < self.most if self.ends[1] == ")" else value <= self.most)

    def __str__(self) -> str:
        if isinstance(self.most, int) and self.most >= 2**53:  # what a file can hold at all
            return f" of at least {self.least:.15g}"
        if self.ends == "[]":
            return f" from {self.least:.15g} to {self.most:.15g}"
        return f" in {self.ends[0]}{self.least:.15g}, {self.most:.15g}{self.ends[1]}"


@dataclass(frozen=True)
class Most:
    """Texts of so many letters, or lists of so many values, at most."""

    count: int


class AndOthers:
    """Marks a record that may have keys beside its own: plain data, looked at no further."""


TEXT = 2**16
"""Letters of a text of which nothing else is said, at most."""
Line = Annotated[str, Most(4096)]
Count = Annotated[int, Between(0, 2**53)]
Shape = Annotated[list[Count], Most(8)]
"""How long each axis of an array is."""
Positive = Annotated[float, Between(0, 3.4e38, "(]")]
"""What float32 holds, above 0."""
Share = Annotated[float, Between(0, 1, "[)")]
MOST_SEED = 2**63 - 1
Seed = Annotated[int, Between(0, MOST_SEED)]
Sha256 = Annotated[str, Most(64)]


def of_json(text: str | bytes) -> Any:
    """What a JSON text says; MisfitError for none, for one nested too deep, and for NaN."""
    return _read(lambda: json.loads(text, parse_constant=_no_constant), "JSON")


def of_toml(text: bytes) -> Any:
    """What a TOML text says; MisfitError for none, and for one nested too deep."""
    return _read(lambda: tomllib.loads(text.decode()), "TOML")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _read(read: Callable[[], Any], what: str) -> Any:
    try:
        said = read()
        if not _is_shallow(said):
            raise RecursionError
    except RecursionError:
        raise MisfitError("it is nested too deep") from None
    except ValueError as error:
        raise MisfitError(f"it is no {what}: {one_line(error)}") from None
    return said


def _is_shallow(said: Any) -> bool:
    level = [said]
    for _ in range(NESTING):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list | tuple):
                inner += value
        if not inner:
            return True
        level = inner
    return False


def fitting(kind: Any, said: Any, at: str = "") -> Any:
    """What was said, as the kind that is wanted; raises MisfitError where it is none.

    `at` is the key that it stands under in its file.
    """
    return _fitting(kind, said, at)


def values_of(shape: Sequence[int], at: str) -> int:
    """How many values an array of a shape has.

    Raises MisfitError where its axes make more than a file can hold, though one of them is 0.
    """
    if prod(length or 1 for length in shape) >= 2**53:
        raise MisfitError(f"the axes of {one_line(at)} are those of no array in a file")
    return prod(shape)


def _fitting(kind: Any, said: Any, at: str, marks: tuple[Any, ...] = ()) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _fitting(inner[0], said, at, (*marks, *inner[1:]))
    if origin in (Required, NotRequired):
        return _fitting(inner[0], said, at, marks)
    if origin in (Union, UnionType):
        return _of_union(inner, said, at, marks)
    if origin is Literal:
        if any(type(said) is type(word) and said == word for word in inner):
            return said
        raise _misfit(at, said, f"one of {', '.join(map(str, inner))}")
    if is_typeddict(kind) or is_dataclass(kind):
        return _of_record(kind, said, at, marks)
    if origin in (list, tuple):
        return _of_list(origin, inner, said, at, marks)
    if origin is dict:
        if not isinstance(said, dict):
            raise _misfit(at, said, "a table")
        return {key: _fitting(inner[1], value, _key(at, key)) for key, value in said.items()}
    return said if kind is Any else _of_scalar(kind, said, at, marks)


def _of_union(kinds: tuple[Any, ...], said: Any, at: str, marks: tuple[Any, ...]) -> Any:
    """Something or nothing, which is all that our files have."""
    (kind,) = (k for k in kinds if k is not NoneType)
    return None if said is None else _fitting(kind, said, at, marks)


def fitting_keys(
    kind: Any, said: Any, without: Collection[str] = (), beside: Collection[str] = ()
) -> dict[str, Any]:
    """What was said under a record's keys, but for some that are told of elsewhere.

    `beside` are keys that are the file's own, and are left out.
    """
    hints, needed = keys_of(kind)
    hints = {key: hint for key, hint in hints.items() if key not in without}
    if isinstance(said, dict):
        said = {key: value for key, value in said.items() if key not in beside}
    return _of_keys(hints, needed, said, "", ())


def _of_record(kind: Any, said: Any, at: str, marks: tuple[Any, ...]) -> Any:
    found = _of_keys(*keys_of(kind), said, at, marks)
    return {key: found.get(key, said[key]) for key in said} if is_typeddict(kind) else kind(**found)


def _of_keys(
    hints: Mapping[str, Any], needed: Collection[str], said: Any, at: str, marks: tuple[Any, ...]
) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise _misfit(at, said, "a table")
    for key in hints:
        if key in needed and key not in said:
            raise MisfitError(f"it lacks '{one_line(_key(at, key))}'")
    others = [key for key in said if key not in hints]
    if others and not any(isinstance(mark, AndOthers) for mark in marks):
        raise MisfitError(f"it has {shown(_key(at, others[0]))}, which no file of this kind has")
    return {key: _fitting(hints[key], said[key], _key(at, key)) for key in hints if key in said}


@cache
def keys_of(kind: Any) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The keys of a record, each with its annotation, and those that must be there."""
    hints = get_type_hints(kind, include_extras=True)
    if is_dataclass(kind):
        own = [field for field in fields(kind) if field.init]
        bare = [f.name for f in own if f.default is MISSING and f.default_factory is MISSING]
        return {field.name: hints[field.name] for field in own}, frozenset(bare)
    # not __required_keys__, which Python 3.11 gets wrong where annotations are texts
    left_out = [key for key in hints if get_origin(hints[key]) is NotRequired]
    return hints, frozenset(hints if kind.__total__ else ()) - frozenset(left_out)


def _of_list(
    origin: Any, inner: tuple[Any, ...], said: Any, at: str, marks: tuple[Any, ...]
) -> Any:
    if not isinstance(said, list | tuple):
        raise _misfit(at, said, "a list")
    most = next((mark.count for mark in marks if isinstance(mark, Most)), None)
    if most is not None and len(said) > most:
        raise _misfit(at, said, f"a list of {most} values at most")
    if origin is list or inner[-1] is Ellipsis:
        inner = inner[:1] * len(said)
    if len(said) != len(inner):
        raise _misfit(at, said, f"a list of {len(inner)}")
    pairs = enumerate(zip(inner, said, strict=True))
    return origin(_fitting(kind, value, f"{at}[{i}]") for i, (kind, value) in pairs)


def _of_scalar(kind: Any, said: Any, at: str, marks: tuple[Any, ...]) -> Any:
    value = said
    if kind is float and type(said) is int and abs(said) < 2**63:
        value = float(said)
    bounds = [mark for mark in marks if isinstance(mark, Between)]
    if type(value) is not kind or not all(bound.has(value) for bound in bounds):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise _misfit(at, said, words[kind] + "".join(map(str, bounds)))
    if kind is float and not math.isfinite(value):
        raise _misfit(at, said, "a finite number")
    most = next((mark.count for mark in marks if isinstance(mark, Most)), TEXT)
    if kind is str and len(value) > most:
        raise _misfit(at, said, f"a text of {most} letters at most")
    return value


def _misfit(at: str, said: Any, wanted: str) -> MisfitError:
    return MisfitError(f"{one_line(at) if at else 'it'} is {shown(said)}; {wanted} is needed")


def _key(at: str, key: Any) -> str:
    return f"{at}.{key}" if at else f"{key}"


def shown(said: Any) -> str:
    """A value in a few words, printable and short whatever it is."""
    if isinstance(said, str):
        return f"'{one_line(said[:60])}'" if said else "''"
    if isinstance(said, list | tuple):
        return f"a list of {len(said)}"
    if isinstance(said, dict):
        return "a table"
    if said is None or isinstance(said, bool):
        return {None: "nothing", True: "true", False: "false"}[said]
    huge = isinstance(said, int) and abs(said) >= 2**63
    return "a huge number" if huge else one_line(repr(said)[:60])
