r"""SGF files (Smart Game Format, FF[4]): the main line of each game, as properties node by node.

    Collection = GameTree+        GameTree = "(" Sequence GameTree* ")"
    Sequence   = Node+            Node     = ";" (PropIdent PropValue+)*
    PropValue  = "[" text "]", in which "\" takes the letter after it as it is

The main line is the first of the variations wherever there are several. Small letters in names are
left out, as FF[3] has it; what stands before the first "(;" is ignored. Text is what CA says or,
where it says nothing, UTF-8 if it can be, else ISO-8859-1, as FF[4] has it. Files are read within
limits, and nothing is called again for what is nested.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

from verydeep.limits import FormatError, quoted

MOST = 2**24
"""Bytes that a file may have; a long game with comments has 100 thousand."""
NODES, DEPTH = 2**20, 10_000
"""Nodes of all games of a file, and variations within variations."""
Node = Mapping[str, tuple[str, ...]]
"""Values by the name of the property, in their order."""

_BEGIN = re.compile(r"\(\s*;")
_VALUE = re.compile(r"\s*\[((?:[^\]\\]++|\\.)*+)\]", re.DOTALL)
"""Possessive, as every other way of matching fails too: nothing is kept to go back to."""
_NAME = re.compile(r"[A-Za-z]{1,64}")
_SPACE = re.compile(r"\s*")
_CHARSET = re.compile(rb"CA\s*\[([A-Za-z0-9_.:+-]{1,40})\]")
REMEDY = "give a file of FF[4], as game servers write it"


def main_lines(data: bytes) -> list[list[Node]]:
    """The nodes of the main line of every game; FormatError where there is none, or nonsense."""
    if len(data) > MOST:
        raise FormatError(f"{len(data):,} bytes, where {MOST:,} are read at most", REMEDY)
    text = _decoded(data)
    start = _BEGIN.search(text)
    if start is None:
        raise FormatError("no game: '(;' stands nowhere in it", REMEDY)
    return _Reader(text, start.start()).games()


def _decoded(data: bytes) -> str:
    """The text of a file; FormatError where it is not what it says."""
    said = _CHARSET.search(data[:4096])
    if said is None:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return data.decode("iso-8859-1")
    name = said[1].decode()
    try:
        if not codecs.lookup(name)._is_text_encoding:
            raise LookupError
        return data.decode("utf-8-sig" if name.upper() in ("UTF-8", "UTF8") else name)
    except LookupError:
        raise FormatError(f"CA says {quoted(name)}, which is no text", REMEDY) from None
    except (UnicodeDecodeError, ValueError):
        raise FormatError(f"not {name} in all of its bytes", "save it as UTF-8") from None


class _Reader:
    """Where a reader of a file stands."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at
        self._open: list[tuple[bool, bool]] = []
        self._line: list[Node] = []
        self._nodes = 0

    def games(self) -> list[list[Node]]:
        """The main lines of all games from here on."""
        found = []
        while self._skip_space() < len(self.text):
            letter = self.text[self.at]
            if letter == "(":
                self._opened()
            elif not self._open:
                break  # what stands behind the games
            elif letter == ")":
                self.at += 1
                self._open.pop()
                if not self._open:
                    found.append(self._line)
                    self._line = []
            elif letter == ";":
                self._node()
            else:
                raise self._nonsense("'(', ';' or ')' was to come")
        if self._open:
            raise FormatError(f"ends within a game, with {len(self._open)} ')' to come", REMEDY)
        return found

    def _opened(self) -> None:
        """A variation: on the main line where it is the first of one that is."""
        self.at += 1
        is_main = True
        if self._open:
            main, seen = self._open[-1]
            is_main = main and not seen
            self._open[-1] = main, True
        self._open.append((is_main, False))
        if len(self._open) > DEPTH:
            raise FormatError(f"more than {DEPTH:,} variations within variations", REMEDY)

    def _node(self) -> None:
        self.at += 1
        self._nodes += 1
        if self._nodes > NODES:
            raise FormatError(f"more than {NODES:,} nodes", REMEDY)
        node: dict[str, list[str]] = {}
        self._skip_space()
        while name := _NAME.match(self.text, self.at):
            self.at = name.end()
            own = "".join(letter for letter in name[0] if letter.isupper())
            values = node.setdefault(own, [])
            before = len(values)
            while value := _VALUE.match(self.text, self.at):
                self.at = value.end()
                values.append(_unescaped(value[1]))
            if len(values) == before:
                raise self._nonsense(f"a value in [] was to come after {name[0]}")
            self._skip_space()
        if self._open[-1] == (True, False):
            self._line.append({name: tuple(values) for name, values in node.items()})

    def _skip_space(self) -> int:
        """Goes to the next letter, and says where that is."""
        space = _SPACE.match(self.text, self.at)
        assert space is not None
        self.at = space.end()
        return self.at

    def _nonsense(self, expected: str) -> FormatError:
        there = self.text[self.at : self.at + 20]
        place = f"at letter {self.at + 1:,}"
        found = quoted(there) if there else "the end of the file"
        return FormatError(f"{expected} {place}, where {found} is", REMEDY)


def _unescaped(value: str) -> str:
    """The text of a value: without what escapes, and lines joined where an end was escaped."""
    return re.sub(r"\\(\r\n|\n\r|.)", lambda m: "" if m[1][0] in "\r\n" else m[1], value,
                  flags=re.DOTALL)  # fmt: skip
