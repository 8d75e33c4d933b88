"""Weights on disk: our own file, which carries all that is needed to use it.

What is named here is imported when it is first asked for: what reads other programs' files starts
before PyTorch is in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verydeep.importers.pretrained import find, load, load_any
    from verydeep.weights.file import hash_of, save
    from verydeep.weights.stacks import hash_of_stack, load_stack, save_stack
    from verydeep.weights.warm_start import Beginning, Origin, begun, layers_of, start_from

__all__ = [
    "Beginning", "Origin", "begun", "find", "hash_of", "hash_of_stack", "layers_of", "load",
    "load_any", "load_stack", "save", "save_stack", "start_from",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """One of the names above, from its own file."""
    if name not in __all__:
        raise AttributeError(f"module 'verydeep.weights' has no attribute '{name}'")
    from importlib import import_module

    home = "verydeep.weights.file"
    if name in ("find", "load", "load_any"):
        home = "verydeep.importers.pretrained"
    elif name in ("hash_of_stack", "load_stack", "save_stack"):
        home = "verydeep.weights.stacks"
    elif name in ("Beginning", "Origin", "begun", "layers_of", "start_from"):
        home = "verydeep.weights.warm_start"
    return getattr(import_module(home), name)
