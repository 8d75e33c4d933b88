"""Python pickles of plain values and arrays of bytes, as CIFAR has them; nothing of theirs is run.

A pickle is a program for a small machine with a stack. Here is that machine with the instructions
that those files have, of Python 2's protocol 2, and no others: it makes dicts, lists, tuples, whole
numbers, short texts and NumPy arrays of bytes. It knows three names of NumPy, calls none of them,
and refuses every other name. What it makes is never more than the file says byte by byte: long
strings and arrays are views into it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from verydeep.limits import FormatError, quoted

Bytes = UInt8[np.ndarray, " N"]
MARK = object()
"""What stands on the stack where a list, a tuple or the items of a dict begin."""
LONGEST_NAME = 256
"""Letters of the name of a class or a function."""
MOST_INSTRUCTIONS = 400_000
"""CIFAR-100's training pictures take some 200,000; each makes a value of 100 bytes at most."""
TEXT = 4096
"""Bytes up to which a string is a text; longer ones are the values of arrays."""


@dataclass(frozen=True)
class Name:
    """A name that a pickle may have, of what NumPy makes its arrays by."""

    text: str


NAMES = {
    (module, name): Name(name)
    for name, modules in {
        "_reconstruct": ("numpy.core.multiarray", "numpy._core.multiarray"),
        "ndarray": ("numpy",),
        "dtype": ("numpy",),
    }.items()
    for module in modules
}


@dataclass
class _Array:
    """An array that is being made: its values come last."""

    values: np.ndarray | None = None


@dataclass(frozen=True)
class _OfBytes:
    """A dtype, of unsigned bytes, which is the only one."""


def is_pickle(start: bytes) -> bool:
    """Whether a file that starts so is a pickle of that protocol."""
    return start.startswith(b"\x80\x02")


def read(data: Bytes) -> Any:
    """What a pickle holds, bytes of a file in; FormatError for one that needs anything more."""
    machine = _Machine(data)
    try:
        value = machine.run()
    except (IndexError, struct.error, ValueError, OverflowError):
        raise FormatError("it is damaged or cut short, or no such pickle") from None
    except (TypeError, AttributeError, KeyError):
        raise FormatError("it is damaged: its instructions do not fit each other") from None
    return _settled(value)


def _settled(value: Any) -> Any:
    """The value with the arrays in place of what they were made in, in a dict or alone."""
    if isinstance(value, dict):
        return {key: _settled(v) if isinstance(v, _Array) else v for key, v in value.items()}
    return value.values if isinstance(value, _Array) else value


class _Machine:
    """The stack, what is remembered, and the place in the file."""

    def __init__(self, data: Bytes) -> None:
        self._data, self._bytes, self._at = data, data.data, 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Goes through the instructions to the one that ends them."""
        count = 0
        while (code := self._take(1)[0]) != ord("."):
            if (count := count + 1) > MOST_INSTRUCTIONS:
                raise FormatError(f"it has more than {MOST_INSTRUCTIONS:,} instructions")
            do = _INSTRUCTIONS.get(code)
            if do is None:
                raise FormatError(
                    f"it has instruction {quoted(chr(code))}, which pictures of CIFAR do not need",
                    "a pickle is a program, and is not run; fetch the file again",
                )
            do(self)
        return self._pop()

    def _take(self, count: int) -> bytes:
        """The next bytes of the file."""
        return bytes(self._bytes[self._next(count) : self._at])

    def _view(self, count: int) -> Bytes:
        """The next bytes, where they lie."""
        return self._data[self._next(count) : self._at]

    def _next(self, count: int) -> int:
        """Goes on by so many bytes, and gives where they begin."""
        start = self._at
        if count < 0 or start + count > len(self._bytes):
            raise IndexError
        self._at = start + count
        return start

    def _number(self, form: str) -> int:
        """The next number, of a form of `struct`."""
        (number,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return int(number)

    def _line(self) -> str:
        """The text up to the end of a line."""
        letters = bytearray()
        while (letter := self._take(1)) != b"\n":
            letters += letter
            if len(letters) > LONGEST_NAME:
                raise FormatError("it has a name that is too long")
        return letters.decode("ascii", "replace")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is MARK:
            raise ValueError
        return value

    def _since_mark(self) -> list[Any]:
        """What was put on the stack since the last mark, taken off with it."""
        found: list[Any] = []
        while (value := self._stack.pop()) is not MARK:
            found.append(value)
        return found[::-1]

    def protocol(self) -> None:
        """The protocol, which is to be the second."""
        if self._take(1) != b"\x02":
            raise FormatError("it is a pickle of another protocol than 2")

    def string(self, form: str) -> None:
        """A text, or the values of an array."""
        found = self._view(self._number(form))
        short = len(found) <= TEXT
        self._push(found.tobytes().decode("latin-1") if short else found)

    def remember(self, form: str) -> None:
        """What lies on top is kept under a number."""
        if self._stack[-1] is MARK:
            raise ValueError
        self._memo[self._number(form)] = self._stack[-1]

    def append(self, values: list[Any]) -> None:
        """Values put behind those of the list on top."""
        if not isinstance(self._stack[-1], list):
            raise TypeError
        self._stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        """Keys and values put into the dict on top."""
        if not isinstance(self._stack[-1], dict) or len(values) % 2:
            raise TypeError
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, str):
                raise TypeError
            self._stack[-1][key] = value

    def tuple_of(self, count: int) -> None:
        """The last values as a tuple."""
        self._push(tuple([self._pop() for _ in range(count)][::-1]))

    def name(self) -> None:
        """One of the names there are."""
        module, name = self._line(), self._line()
        if (module, name) not in NAMES:
            raise FormatError(
                f"it asks for {quoted(f'{module}.{name}')}, which no pictures need",
                "a pickle is a program, and is not run; fetch the file again",
            )
        self._push(NAMES[module, name])

    def call(self) -> None:
        """The beginning of an array, or its dtype: the only two calls there are."""
        given, what = self._pop(), self._pop()
        if what == Name("_reconstruct") and given[0] == Name("ndarray"):
            self._push(_Array())
        elif what == Name("dtype") and given[0] in ("u1", "|u1"):
            self._push(_OfBytes())
        else:
            raise FormatError("it holds arrays of other numbers than bytes, or makes other things")

    def build(self) -> None:
        """What an array holds: its shape, its dtype, its order, its bytes."""
        state, made = self._pop(), self._stack[-1]
        if isinstance(made, _OfBytes):
            return
        if not isinstance(made, _Array) or made.values is not None:
            raise TypeError
        _, shape, kind, columns_first, values = state
        if not isinstance(kind, _OfBytes) or not all(type(n) is int and n >= 0 for n in shape):
            raise TypeError
        if isinstance(values, str):
            values = np.frombuffer(values.encode("latin-1"), np.uint8)
        if len(shape) > 4 or math.prod(shape) != len(values):
            raise FormatError(f"it has an array whose {len(values):,} bytes are not of its shape")
        made.values = values.reshape(shape, order="F" if columns_first else "C")


_INSTRUCTIONS: dict[int, Callable[[_Machine], None]] = {
    ord(code): do
    for code, do in {
        "\x80": _Machine.protocol,
        "(": lambda m: m._push(MARK),
        "}": lambda m: m._push({}),
        "]": lambda m: m._push([]),
        "N": lambda m: m._push(None),
        "\x88": lambda m: m._push(True),
        "\x89": lambda m: m._push(False),
        "K": lambda m: m._push(m._number("<B")),
        "M": lambda m: m._push(m._number("<H")),
        "J": lambda m: m._push(m._number("<i")),
        "U": lambda m: m.string("<B"),
        "T": lambda m: m.string("<i"),
        "q": lambda m: m.remember("<B"),
        "r": lambda m: m.remember("<I"),
        "h": lambda m: m._push(m._memo[m._number("<B")]),
        "j": lambda m: m._push(m._memo[m._number("<I")]),
        "a": lambda m: m.append([m._pop()]),
        "e": lambda m: m.append(m._since_mark()),
        "s": lambda m: m.set_items([m._pop(), m._pop()][::-1]),
        "u": lambda m: m.set_items(m._since_mark()),
        "t": lambda m: m._push(tuple(m._since_mark())),
        "\x85": lambda m: m.tuple_of(1),
        "\x86": lambda m: m.tuple_of(2),
        "\x87": lambda m: m.tuple_of(3),
        "c": _Machine.name,
        "R": _Machine.call,
        "b": _Machine.build,
    }.items()
}
"""What each instruction does, by its letter as Python's `pickletools` has it."""
