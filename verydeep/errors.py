"""The exceptions that are the user's to mend; every command prints them as one line."""

from unicodedata import category

from verydeep.shell import command

MOST = 300
"""Letters of another's text that are passed on."""
_CONTROLS = {"Cc": "a control character", "Zl": "an end of line", "Zp": "an end of line"}
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MARKS = frozenset("\u061c\u200e\u200f")
"""Marks of direction, which belong in names of scripts written from right to left."""


class UserError(ValueError):
    """What came, what was expected and what to do about it, in one line.

    Commands print the message to stderr and leave with exit code 2; anything else that is raised
    is a fault of ours.
    """


class PictureError(UserError):
    """A picture that cannot be read: one line, its name and the reason."""


class PictureTooLargeError(PictureError):
    """A picture that has more pixels than are read, by its header."""


class Stopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """Long work was asked to stop and has put away what it has: `after` what, and in which folder.

    The message says how to go on: by the command `again`, or else by resuming that folder's run.
    """

    def __init__(self, after: str = "", folder: object = "", again: str = "") -> None:
        again = again or command("train", "--resume", folder)
        super().__init__(f"stopped after {after}, saved; go on with `{again}`")
        self.after = after


def escaped(text: str) -> str:
    r"""The text with whatever would steer a terminal as Python writes it: "\x1b", "\n", "\u202e".

    That is control characters, ends of lines, what turns the direction of writing, and the bytes
    of names that are not UTF-8.

    >>> print(escaped("caf\udce9 \x1b[31m"))
    caf\udce9 \x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode() if c in _MARKS or _harm(c) else c for c in text
    )


def escaped_lines(text: str) -> str:
    """The same of a text of several lines, whose ends stay."""
    return "\n".join(map(escaped, text.split("\n")))


def one_line(said: object) -> str:
    """The first line of what was said, harmless whatever a file put into it, and not too long."""
    first = (str(said).strip().splitlines() or [type(said).__name__])[0]
    return escaped(first[:MOST])[:MOST].rstrip(". ")


def harm_of(name: str) -> str | None:
    """Why a name cannot be a class's, if so: it would not stay in its line and place.

    Names of all scripts do; control characters, ends of lines, overrides of the direction, and
    bytes that are not UTF-8 do not.
    """
    return next(filter(None, map(_harm, name)), None)


def _harm(c: str) -> str | None:
    kind = category(c)
    if kind == "Cs":
        return "bytes that are not UTF-8"
    return "a turn of the direction of writing" if c in _OVERRIDES else _CONTROLS.get(kind)
