"""Lists of class names that are given to go with another program's weights."""

from __future__ import annotations

import json
from pathlib import Path

from verydeep.datasets.ilsvrc_lists import WNID, class_names
from verydeep.errors import UserError, harm_of, one_line

LARGEST_LIST = 2**22
"""Bytes of a list of class names; that of ILSVRC has 31,675."""


def classes_in(path: Path) -> list[str]:
    """Names of classes from a list, in its order, a line each.

    Of a list such as `synset_words.txt`, where each line is a wnid and words for it, or Keras's
    `imagenet_class_index.json`, come the wnid and the first of its words, "n02123045 tabby": data
    is matched by the wnid alone. Raises UserError for a name that comes twice, or that is of
    more than a line.
    """
    try:
        if path.stat().st_size > LARGEST_LIST:
            raise UserError(f"{path} is too long to be a list of class names")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UserError(f"cannot read the class names in {path}: {reason}") from None
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if text.startswith("{"):
        names = _class_index(text, path)
    elif names and all(WNID.fullmatch(name.partition(" ")[0]) and " " in name for name in names):
        pairs = class_names(path).items()
        names = [f"{wnid} {words.partition(',')[0]}" for wnid, words in pairs]
    seen: set[str] = set()
    for name in names:
        if harm := harm_of(name):
            raise UserError(
                f"{path} names a class '{one_line(name)}', with {harm}; give names of letters, "
                f"digits and spaces"
            )
        if name in seen:
            raise UserError(
                f"{path} names two classes '{one_line(name)}'; give names that differ, or a "
                f"synset_words.txt"
            )
        seen.add(name)
    return names


def _class_index(text: str, path: Path) -> list[str]:
    """Names from Keras's list, {"0": ["n01440764", "tench"], ...}."""
    try:
        rows = json.loads(text)
        pairs = [rows[str(i)] for i in range(len(rows))]
        names = [f"{wnid} {words.replace('_', ' ')}" for wnid, words in pairs]
        if not names or not all(WNID.fullmatch(wnid) for wnid, _ in pairs):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(
            f'{path} is no list of class names; one in JSON is {{"0": ["n01440764", "tench"], ...}}'
        ) from None
    return names
