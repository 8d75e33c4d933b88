"""Weights on disk: our own file, which carries all that is needed to use it."""

from verydeep.weights.file import find, hash_of, load, save
from verydeep.weights.start import start_from

__all__ = ["find", "hash_of", "load", "save", "start_from"]
