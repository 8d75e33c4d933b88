"""Stacks, against one linear classifier of the whole descriptor, worked out in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.stacks import CLASSES, made, net, one_trunk, picture, two_nets
from verydeep.errors import UserError
from verydeep.nets.stack import MOST, Member, Stack
from verydeep.runtime.progress import SILENT


@pytest.mark.parametrize("several", [False, True])
def test_a_stack_is_one_linear_classifier_of_the_whole_descriptor(several: bool) -> None:
    two, shown = two_nets(several), picture()
    found = two.stack.posteriors_of(shown)
    np.testing.assert_allclose(found.numpy(), two.posteriors(shown, several), atol=1e-5)
    best = two.stack.predict(shown, top=2)
    assert [name for name, _ in best] == [
        CLASSES[k] for k in np.argsort(-two.posteriors(shown, several))[:2]
    ]


def test_several_pictures_are_answered_one_by_one_and_those_that_cannot_be_read_are_not() -> None:
    stack, pictures = one_trunk().stack, [picture(), b"none", picture(70, 50, 1)]
    found = stack.predict(pictures, top=3, progress=SILENT)
    assert found == [stack.predict(pictures[0], 3), [], stack.predict(pictures[2], 3)]
    batch = torch.from_numpy(np.stack([picture(), picture(seed=1)]))
    assert stack.predict(batch, progress=SILENT) == [
        stack.predict(picture()), stack.predict(picture(seed=1))
    ]  # fmt: skip
    with pytest.raises(UserError, match="top 0 names no class"):
        stack.predict(picture(), top=0)


def test_a_stack_is_told_of_in_a_line() -> None:
    assert repr(two_nets().stack) == (
        "Stack of 2: 3 classes (ant, bee, cat), A to relu7 at Q = 48, 64; D to pool5 at Q = 40, "
        "on cpu"
    )
    assert two_nets().stack.scales == (40, 48, 64)


def test_what_makes_no_stack_is_refused() -> None:
    whole = two_nets().stack
    member, other = whole.members
    several = two_nets(several=True).stack.members[0]
    renamed = two_nets().stack.members[1]
    renamed.network.classes = ("ant", "bee", "cow")
    for members, said in (
        ((), "a stack of 0 networks; it has from 1 to 64"),
        ((member,) * (MOST + 1), "a stack of 65 networks"),
        ((member, Member(net(), (48,))), "member 2 of a stack, A, has no mean row before its"),
        ((member, Member(made((net(), "pool5", (48,))).pieces[0][0], (48,))), "has no mean row"),
        ((member, several), "member 2 of a stack has not as many classes as the first, or another"),
        ((member, renamed), "member 2 of a stack has other classes than the first"),
        ((replace(member, scales=()),), "member 1 of a stack has no Q, or one twice"),
        ((member, replace(other, scales=(48, 48))), "has no Q, or one twice: 48, 48"),
        ((replace(member, scales=(16,)),), "to see pictures at Q = 16, and A needs 32 at least"),
        ((replace(member, scales=tuple(range(40, 140))),), "100 different Q; it has 64 at most"),
    ):
        with pytest.raises(UserError, match=said):
            Stack(members)
