"""Numbers that an ONNX file keeps in files beside it, as torch.onnx.export does by default.

A tensor says the name of such a file and a span in it. Files of the same folder alone are opened,
once each, and no span is believed that is not within its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from verydeep.formats.protobuf import Field, open_content
from verydeep.limits import FormatError, quoted

MOST_FILES = 1000


class DataFiles:
    """The files beside an ONNX file, mapped when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mapped: dict[str, memoryview] = {}

    def span(self, said: Mapping[str, str], length: int, tensor: str) -> memoryview:
        """The bytes that a tensor of that name tells of, `length` of them."""
        content = self._content(said.get("location", ""))
        start, count = (_whole(said.get(key, ""), tensor) for key in ("offset", "length"))
        if count not in (None, length):
            raise FormatError(f"tensor {quoted(tensor)} has {count:,} bytes, {length:,} are needed")
        end = (start or 0) + length
        if end > len(content):
            name = quoted(said["location"])
            raise FormatError(f"{name} beside it is cut short: {len(content):,} of {end:,} bytes "
                              f"are there")  # fmt: skip
        return content[start or 0 : end]

    def _content(self, name: str) -> memoryview:
        if name not in self._mapped:
            if len(self._mapped) == MOST_FILES:
                raise FormatError(f"its weights are in over {MOST_FILES:,} files", "save it again")
            if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
                raise FormatError(
                    f"its weights are in {quoted(name)}; files of its own folder alone are read",
                    "save it again, with its weights beside it",
                )
            path = self.folder / name
            if not path.is_file():
                raise FormatError(
                    f"its weights are in a file {quoted(name)}, which is not beside it",
                    "put both into one folder under their own names",
                )
            self._mapped[name] = open_content(path)
        return self._mapped[name]


def entry_of(field: Field) -> tuple[str, str]:
    """A key and what it says, of those by which a tensor tells where its numbers are."""
    words = {part.number: part.text() for part in field.fields() if part.number in (1, 2)}
    return words.get(1, ""), words.get(2, "")


def _whole(text: str, tensor: str) -> int | None:
    """The number that a text is; None where there is none."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise FormatError(f"tensor {quoted(tensor)} tells of {quoted(text)} where a number is due")
    return int(text)
