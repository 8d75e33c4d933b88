"""The type checker that every function runs under while the tests run.

jaxtyping holds the letters of shapes to one meaning throughout a call, which costs some thirty
microseconds each time. What speaks of no shape runs under beartype alone, for one or two.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import jaxtyping
from beartype import BeartypeConf, beartype

checker = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeError))
"""beartype, taking a whole number where a float is asked for, as Python does; what it finds is a
TypeError, as jaxtyping's own is and as Python's would be, which readers of foreign files expect."""
with_shapes = jaxtyping.jaxtyped


def jaxtyped(*, typechecker: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The decorator that jaxtyping's import hook puts on functions and on classes."""

    def checked(what: Any) -> Any:
        function = vars(what).get("__init__") if is_dataclass(what) else what
        if not inspect.isfunction(function):  # a class with no fields of its own
            return what
        hints = resolved(function)
        if any(map(has_shapes, hints.values())):
            return with_shapes(what, typechecker=typechecker)
        function.__annotations__ = hints
        if function is what:
            return typechecker(function)
        what.__init__ = typechecker(function)
        return what

    return checked


def resolved(function: Any) -> dict[str, Any]:
    """Its annotations as types; Any for what is not there yet, or for mypy alone."""
    found: dict[str, Any] = {}
    for name, hint in function.__annotations__.items():
        alone = SimpleNamespace(__annotations__={name: hint})
        try:
            found |= get_type_hints(alone, function.__globals__, include_extras=True)
        except Exception:
            found[name] = Any
    return found


def has_shapes(hint: Any) -> bool:
    """Whether a type is one of jaxtyping's, or made of such."""
    if isinstance(hint, list):
        return any(map(has_shapes, hint))
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(has_shapes, get_args(hint)))


jaxtyping.jaxtyped = jaxtyped  # type: ignore[assignment]  # which that hook looks up by name
