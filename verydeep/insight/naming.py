"""Methods, classes and layers by name, with the nearest name for one that is none."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from verydeep.errors import UserError
from verydeep.nets.table import Table

METHODS = ("scores", "gradient", "guided", "deconvnet", "gradcam", "integrated", "occlusion")
"""In the order in which they are shown: the exact one first."""
CHEAP = METHODS[:5]
"""Those that take a few times what a prediction takes, and no more."""
ALL_CHEAP = "all-cheap"
"""What stands for these where methods are named."""
BY_GRADIENT = ("gradient", "guided", "deconvnet", "gradcam", "integrated")
"""Those that want gradients, which PyTorch alone gives."""


def named(words: str | Sequence[str]) -> tuple[str, ...]:
    """Methods by name, or several with commas between; "all-cheap" stands for those.

    Raises UserError for one that is none, with the nearest.

    >>> named("gradcam,scores")
    ('scores', 'gradcam')
    """
    given = [words] if isinstance(words, str) else [*words]
    found = [word.strip() for each in given for word in each.split(",")]
    for word in found:
        if word not in (*METHODS, ALL_CHEAP):
            raise UserError(f"no method '{word}'{_near(word, METHODS)}there are {_listed()}")
    return tuple(m for m in METHODS if m in found or (ALL_CHEAP in found and m in CHEAP))


def _listed() -> str:
    return f"{', '.join(METHODS)}, and {ALL_CHEAP} for the first five"


def label_of(classes: Sequence[str], name: str) -> int:
    """The number of a class by its name; UserError, with the nearest, where there is none."""
    same = [k for k, each in enumerate(classes) if each.casefold() == name.casefold()]
    exact = [k for k in same if classes[k] == name]
    if len(found := exact or same) == 1:
        return found[0]
    near = _near(name, classes) if not same else "; give it as it is written: "
    first = ", ".join(classes[:5]) + (f" and {len(classes) - 5:,} more" if classes[5:] else "")
    raise UserError(f"no class '{name}'{near}there are {first}")


def row_named(table: Table, name: str) -> str:
    """The name itself, of a row of a table; UserError, with the nearest, where there is none."""
    names = [row.name for row in table.rows]
    if name not in names and get_close_matches(name, names, 1):
        raise UserError(
            f"no layer '{name}' in configuration {table.name}{_near(name, names).rstrip()}"
        )
    _ = table[name]
    return name


def _near(word: str, names: Sequence[str]) -> str:
    lower = {name.casefold(): name for name in names}
    found = get_close_matches(word.casefold(), lower, 1, 0.6)
    return f"; did you mean '{lower[found[0]]}'? " if found else "; "
