"""The exceptions that are the user's to mend; every command prints them as one line."""

from unicodedata import category

MOST = 300
"""Letters of another's text that are passed on."""
_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
_OVERRIDES = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class UserError(ValueError):
    """What came, what was expected and what to do about it, in one line.

    Commands print the message to stderr and leave with exit code 2; anything else that is raised
    is a fault of ours.
    """


class PictureError(UserError):
    """A picture that cannot be read: one line, its name and the reason."""


class Stopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """Long work was asked to stop and has put away what it has: `after` what, and in which folder.

    The message says how to go on.
    """

    def __init__(self, after: str = "", folder: object = "") -> None:
        super().__init__(
            f"stopped after {after}, saved; go on with `verydeep train --resume {folder}`"
        )
        self.after = after


def one_line(said: object) -> str:
    """The first line of what was said, printable whatever a file put into it, and not too long."""
    first = (str(said).strip().splitlines() or [type(said).__name__])[0]
    return "".join(c if c.isprintable() else "?" for c in first[:MOST]).rstrip(". ")


def in_one_line(name: str) -> bool:
    """Whether a name stays in its line and place when it is printed, whatever its script.

    Control characters, ends of lines, lone surrogates and overrides of the direction do not.
    """
    return not any(category(c) in _CONTROLS or c in _OVERRIDES for c in name)
