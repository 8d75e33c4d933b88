"""Why a zip archive of another program cannot be opened."""

from __future__ import annotations

from zipfile import BadZipFile

from verydeep.errors import one_line
from verydeep.limits import FormatError

CUT_SHORT = "cut short, or something follows its end"
"""An archive's directory stands at its end, and is looked for there."""


def refusal(error: Exception) -> FormatError:
    """What is raised where an archive cannot be read; zipfile has a dozen kinds of errors."""
    if isinstance(error, BadZipFile) and "not a zip file" in str(error):
        return FormatError(f"it is {CUT_SHORT}")
    return FormatError(f"it is damaged ({one_line(error)})")
