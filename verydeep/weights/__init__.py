"""Weights on disk: our own file, which carries all that is needed to use it."""

from verydeep.weights.file import load, save

__all__ = ["load", "save"]
