"""Several boxes files of the same pictures: put in one order, compared, and their boxes united.

Boxes of several nets are put together before they are merged, as the paper fuses them (Appendix A).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from verydeep.errors import UserError
from verydeep.evaluation.comparison import Comparison, compare_missed
from verydeep.evaluation.fusion import each_once
from verydeep.evaluation.same_pictures import (
    order_of,
    refuse_other_classes,
    refuse_other_data,
    titles_of,
)
from verydeep.localisation.boxes_file import Localised
from verydeep.localisation.figures import last_k
from verydeep.localisation.guesses import guesses
from verydeep.parts.dataset import ROLES


def aligned(tests: Sequence[Localised], called: Sequence[str] | None = None) -> list[Localised]:
    """The same tests, all with their pictures in the order of the first one's.

    Raises UserError, naming the first difference, where classes, pictures, labels, data or true
    boxes are others, or the class was given in one of them and not in another. `called` are what
    the tests go by there, "boxes file 1" and so on where nothing is said.
    """
    first, *others = tests
    called = called or [f"boxes file {number}" for number in range(1, len(tests) + 1)]
    result = [first]
    for other, name in zip(others, called[1:], strict=True):
        _refuse_other_question(first, called[0], other, name)
        refuse_other_classes(first, called[0], other, name)
        order = order_of(first, called[0], other, name)
        ordered = other if other.names == first.names else other.only(order)
        _refuse_other_labels(first, called[0], ordered, name)
        refuse_other_data(first, other, name)
        _refuse_other_boxes(first, called[0], ordered, name)
        result.append(ordered)
    return result


def _refuse_other_question(first: Localised, called: str, other: Localised, name: str) -> None:
    if first.is_given_class != other.is_given_class:
        ours, theirs = (
            "was given the class" if test.is_given_class else "had to find the class"
            for test in (first, other)
        )
        raise UserError(f"{name} {theirs}, {called} {ours}; test both by one protocol")


def _refuse_other_labels(first: Localised, called: str, other: Localised, name: str) -> None:
    differs = first.labels != other.labels
    if differs.any():
        i = int(differs.argmax())
        theirs, ours = (test.classes[test.labels[i]] for test in (other, first))
        raise UserError(
            f"{name} has other labels: picture '{first.names[i]}' is of class '{theirs}' there and "
            f"of class '{ours}' in {called}"
        )


def _refuse_other_boxes(first: Localised, called: str, other: Localised, name: str) -> None:
    ours, theirs = first.truth, other.truth
    differs = ours.ends != theirs.ends
    if not differs.any():
        one, another = (
            np.column_stack([truth.objects.boxes, truth.objects.labels, truth.objects.difficult])
            for truth in (ours, theirs)
        )
        rows = np.flatnonzero((one != another).any(1))
        differs[np.searchsorted(ours.ends, rows, side="right")] = True
    if differs.any():
        raise UserError(
            f"{name} has other true boxes of picture '{first.names[int(differs.argmax())]}' than "
            f"{called}; test both on the same data"
        )


def compare_boxes(a: Localised, b: Localised, pairs: int = 1) -> Comparison:
    """Two tests of the same pictures compared by top-5 error, or top-1 where the class was given.

    Of several `pairs` of tests each has its share of the 5 %. Raises UserError as `aligned` does.
    """
    a, b = aligned([a, b])
    k = last_k(a)
    missed_a, missed_b = (guesses(test).wrong(k) for test in (a, b))
    return compare_missed(missed_a, missed_b, titles_of((a, b)), k, pairs, what_of(a))


def what_of(test: Localised) -> str:
    """The error of such tests, in words, after its k."""
    return "localisation error" + (" with the class given" if test.is_given_class else "")


def fuse_boxes(tests: Sequence[Localised]) -> Localised:
    """All boxes of several tests as those of one, in the order of the first one's pictures.

    They are merged up to the mean of the thresholds. What the pictures were is the worst that they
    were for any of the networks. Raises UserError where classes, pictures, labels, data or
    candidates differ, and where there is one box a picture and nothing is merged.
    """
    if len(tests) < 2:
        raise UserError(f"{len(tests)} boxes file(s) to fuse; at least 2 are needed")
    members = aligned(tests)
    first = members[0]
    if first.is_given_class:
        raise UserError(
            "boxes of one centre crop are not merged, so that there is nothing to fuse; test with "
            "--protocol dense"
        )
    for number, member in enumerate(members[1:], 2):
        _refuse_other_candidates(first, member, f"boxes file {number}")
    rows = np.argsort(np.concatenate([_pictures(m) for m in members]), kind="stable")
    return replace(
        first,
        boxes=np.concatenate([m.boxes for m in members])[rows],
        ratings=np.concatenate([m.ratings for m in members])[rows],
        ends=np.sum([m.ends for m in members], 0),
        threshold=float(np.mean([m.threshold for m in members])),
        chosen_on=each_once([m.chosen_on for m in members if m.chosen_on]),
        weights=" ".join(m.weights for m in members),
        role=min((m.role for m in members), key=ROLES.index),
        net=None,
        members=tuple(titles_of(members)),
        engine=each_once([m.engine for m in members]),
        precision=each_once([m.precision for m in members]),
        pooling=each_once([m.pooling for m in members]),
    )


def _pictures(found: Localised) -> np.ndarray:
    """Of which picture each row is."""
    return np.repeat(np.arange(len(found)), found.counts)


def _refuse_other_candidates(first: Localised, other: Localised, name: str) -> None:
    """Raises UserError where boxes are of other candidates, which cannot be put together."""
    remedy = "test both with the same --candidates"
    theirs, ours = other.candidates.shape[1], first.candidates.shape[1]
    if theirs != ours:
        raise UserError(f"{name} has {theirs} candidates a picture, not {ours}; {remedy}")
    differs = (first.candidates != other.candidates).any(1)
    if differs.any():
        i = int(differs.argmax())
        raise UserError(
            f"{name} has other candidates of picture '{first.names[i]}': {_said(other, i)}, not "
            f"{_said(first, i)}; {remedy}"
        )


def _said(found: Localised, i: int) -> str:
    return ", ".join(f"'{found.classes[k]}'" for k in found.candidates[i].tolist())
