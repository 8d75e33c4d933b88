"""Numbers that an ONNX file keeps in files beside it, as torch.onnx.export does by default.

A tensor says the name of such a file and a span in it. Names in the same folder alone are opened,
once each, and links there are followed, wherever they lead, as to the blobs of a cache; no span is
believed that is not within its file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from verydeep.formats.protobuf import Budget, Field, fields, open_content
from verydeep.importers.other_files import known_as
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
            name = said["location"]
            if what := known_as(self.folder / name):
                raise FormatError(f"{quoted(name)} beside it {what}")
            raise FormatError(f"{quoted(name)} beside it is too short for what the file tells: "
                              f"{len(content):,} of {end:,} bytes are there")  # fmt: skip
        return content[start or 0 : end]

    def _content(self, name: str) -> memoryview:
        if name not in self._mapped:
            if len(self._mapped) == MOST_FILES:
                raise FormatError(f"its weights are in over {MOST_FILES:,} files", "save it again")
            if not _is_of_its_folder(name):
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


def bytes_of(path: Path) -> int:
    """Bytes that a file has, with those of the files beside an ONNX file that its graph names."""
    size = path.stat().st_size
    if path.suffix.casefold() != ".onnx":
        return size
    names: set[str] = set()
    try:
        for name in _locations(open_content(path)):
            names.add(name)
            if len(names) > MOST_FILES:
                break
    except FormatError:  # its reader says what is wrong with it
        pass
    beside = [path.parent / name for name in names if _is_of_its_folder(name)]
    return size + sum(each.stat().st_size for each in beside if each.is_file())


def _locations(content: memoryview) -> Iterator[str]:
    """The names of other files in the tensors of a graph, and of the constants in it."""
    graphs = (field for field in fields(content, Budget()) if field.number == 7)
    for part in (part for graph in graphs for part in graph.fields()):
        if part.number == 5:
            yield from _locations_of(part)
        elif part.number == 1:
            attributes = (each for each in part.fields() if each.number == 5)
            for attribute in attributes:
                for tensor in (each for each in attribute.fields() if each.number == 5):
                    yield from _locations_of(tensor)


def _locations_of(tensor: Field) -> Iterator[str]:
    entries = (entry_of(part) for part in tensor.fields() if part.number == 13)
    return (said for key, said in entries if key == "location")


def _is_of_its_folder(name: str) -> bool:
    """Whether a name is one of the folder that the file is in, and leads nowhere else by itself."""
    return name not in ("", ".", "..") and not any(sign in name for sign in "/\\\0")


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
