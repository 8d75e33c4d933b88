"""The files of a form (multipart/form-data, RFC 7578), out of its bytes, which are there whole.

Nothing is put on a disk, and nothing of what names and types say is believed.
"""

from __future__ import annotations

import re

PARTS = 256
"""Parts of a form that are looked at."""
LONGEST_HEADER = 8192
"""Bytes of what stands before the content of a part."""
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_IS_FILE = re.compile(
    rb'^content-disposition:[^\r\n]*[;\s]filename\*?=("")?', re.IGNORECASE | re.MULTILINE
)
"""From the beginning of a line alone: one that says it again and again is looked at once."""


class FormError(ValueError):
    """What is no form, in a line."""


def is_form(content_type: str) -> bool:
    """Whether a body says that it is such a form."""
    return content_type.partition(";")[0].strip().casefold() == "multipart/form-data"


def files_of(content_type: str, body: bytes) -> list[bytes]:
    r"""The content of each file in a form; other fields, and files that nobody chose, are left out.

    Raises FormError.

    >>> body = b'--x\r\nContent-Disposition: form-data; filename="a"\r\n\r\nabc\r\n--x--'
    >>> files_of("multipart/form-data; boundary=x", body)
    [b'abc']
    """
    found = _BOUNDARY.search(content_type)
    if not found:
        raise FormError("the form does not say its boundary")
    boundary = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(b"\r\n" + boundary, PARTS + 1)
    if len(pieces) < 2:
        raise FormError("the form does not begin with its boundary")
    if len(pieces) > PARTS + 1:
        raise FormError(f"the form has more than {PARTS} parts")
    if not pieces[-1].startswith(b"--"):
        raise FormError("the form does not end with its boundary")
    return [content for piece in pieces[1:-1] if (content := _file(piece)) is not None]


def _file(part: bytes) -> bytes | None:
    """The content of a part that is a file; None of another, or of one that nobody chose."""
    header, blank, content = part.lstrip(b" \t").partition(b"\r\n\r\n")
    if not blank or len(header) > LONGEST_HEADER:
        raise FormError("a part of the form has no header, or one too long")
    is_file = _IS_FILE.search(header)
    if not is_file or (is_file[1] and not content):
        return None
    return content
