"""Files that are often taken for weights, and what they are, by how they begin."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from verydeep.errors import one_line
from verydeep.formats.zips import CUT_SHORT
from verydeep.limits import start_of

_WITHIN = "unpack it and give the file within"
_BEGINNINGS = (
    (b"version https://git-lfs", "is a pointer of Git LFS and no weights; run git lfs pull"),
    (b"\x1f\x8b", f"is compressed by gzip; {_WITHIN}"),
    (b"BZh", f"is compressed by bzip2; {_WITHIN}"),
    (b"\xfd7zXZ", f"is compressed by xz; {_WITHIN}"),
    (b"\x28\xb5\x2f\xfd", f"is compressed by zstd; {_WITHIN}"),
    (b"7z\xbc\xaf\x27\x1c", f"is an archive of 7-Zip; {_WITHIN}"),
    (b"Rar!", f"is an archive of RAR; {_WITHIN}"),
    (b"\x93NUMPY", "is one array of NumPy and no net; give the file that the net was saved to"),
    (b"\x89PNG", "is a picture and no weights"),
    (b"\xff\xd8\xff", "is a picture and no weights"),
    (b"%PDF", "is a PDF and no weights"),
)
"""How files begin that are often taken for weights, and what they are."""
_TAR_AT, _TAR, _ZIP, _BOM = 257, b"ustar", b"PK\x03\x04", b"\xef\xbb\xbf"
_PAGE = re.compile(rb"<(!doctype|html|\?xml)", re.IGNORECASE)


def known_as(path: Path) -> str:
    """What a file is that is no weights; empty where its beginning does not tell."""
    whole = start_of(path)
    start = whole.removeprefix(_BOM).lstrip().removeprefix(_BOM)
    if not start:
        return "is empty"
    for beginning, words in _BEGINNINGS:
        if start.startswith(beginning):
            return words
    if _PAGE.match(start) or (start.startswith(b"<") and _is_text(whole)):
        return "is a web page or XML and no weights; fetch the file itself, not the page about it"
    if whole[_TAR_AT:].startswith(_TAR):
        return f"is a tar archive; {_WITHIN}"
    if whole.startswith(_ZIP):
        return _what_zip(path)
    if not any(whole):
        return "begins with nothing but zeros, and is damaged; fetch the file again"
    if _is_text(whole):
        return f"is a text and no weights, {_beginning(whole)}; fetch the file itself"
    return ""


def _what_zip(path: Path) -> str:
    """What a zip archive is that is neither PyTorch's nor Keras's."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return f"is a zip archive, {CUT_SHORT}; fetch the file again"
    if inside and all(name.endswith(".npy") for name in inside):
        return "is arrays of NumPy and no file of a net; give the file that the net was saved to"
    first = f" ({one_line(inside[0]):.40} in it)" if inside else ""
    return f"is a zip archive and none of PyTorch's or Keras's{first}; {_WITHIN}"


def _is_text(start: bytes) -> bool:
    """Whether a file begins as a text in UTF-8 does."""
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # else a letter that is cut off
            return False
        text = start[: error.start].decode()
    return all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)


def _beginning(start: bytes) -> str:
    return repr(one_line(start.decode(errors="replace"))[:40])
