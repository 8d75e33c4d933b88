"""Tests of stacks, against one linear classifier of whole descriptors, worked out in NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TWO_CORES
from tests.evaluation.test_protocols import MIXED, Named, part_of_shapes
from tests.stacks import Made, made, net, one_trunk, two_nets
from verydeep.engines.engine import ENGINES, engines_for
from verydeep.errors import PictureError
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.posteriors import faults, posteriors, posteriors_of_stack, readable
from verydeep.evaluation.predictor import Prediction, Predictor
from verydeep.evaluation.views import dense, protocol
from verydeep.nets.stack import Stack
from verydeep.parts.dataset import Part
from verydeep.pictures.reading import Source
from verydeep.weights import load_stack, save_stack

PART = part_of_shapes(*MIXED)


def plainly(of: Made, part: Part, several: bool = False) -> np.ndarray:
    rows = [of.posteriors(np.asarray(part.source(i)), several) for i in range(len(part))]
    return np.array(rows)


@pytest.mark.parametrize("several", [False, True])
def test_a_test_gives_what_one_classifier_of_whole_descriptors_does(several: bool) -> None:
    two = two_nets(several)
    found = posteriors_of_stack(two.stack, PART)
    np.testing.assert_allclose(found, plainly(two, PART, several), atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same(engine: str) -> None:
    three = one_trunk()
    found = posteriors_of_stack(three.stack, PART, TWO_CORES, engine=engine)
    np.testing.assert_allclose(found, plainly(three, PART), atol=1e-4)


def test_half_precision_gives_nearly_the_same() -> None:
    three = one_trunk()
    found = posteriors_of_stack(three.stack, PART, precision="bf16")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plainly(three, PART), atol=0.05)


def test_a_stack_of_one_is_its_network_at_several_scales() -> None:
    stack = made((net(), "relu7", (40, 48, 64))).stack
    (network,) = stack.networks
    expected = posteriors(network, PART, protocol(network, "dense", (40, 48, 64)))
    assert (posteriors_of_stack(stack, PART) == expected).all()
    assert dense(stack) == protocol(network, "dense", (40, 48, 64))


def test_the_protocol_of_a_stack_names_every_scale_once() -> None:
    stack = made((net(), "relu7", (64, 40)), (net("D"), "pool5", (40, 96))).stack
    assert dense(stack).scales == (40, 64, 96)
    assert str(dense(stack)) == "dense, with mirror image, Q = 40, 64, 96"
    assert dense(stack.members[0]).scales == (64, 40)


def test_a_picture_that_cannot_be_read_is_left_out_by_name() -> None:
    def source(i: int) -> Source:
        return b"no picture" if i == 3 else PART.source(i)

    broken, stack = replace(PART, source=source), one_trunk().stack
    found = posteriors_of_stack(stack, broken)
    assert readable(found).tolist() == [i != 3 for i in range(len(PART))]
    (line,) = faults(stack, broken, dense(stack), found)
    assert "picture (10 bytes)" in line


def test_a_test_that_was_cut_short_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first member's walk is kept whole though no write was due, and is not done again."""
    monkeypatch.setattr("verydeep.evaluation.showing.PARTS", 3)
    monkeypatch.setattr("verydeep.evaluation.journal.SECONDS", 3600.0)
    stack = two_nets().stack
    shown: list[int] = []

    def source(i: int) -> Source:
        shown.append(i)
        return PART.source(i)

    def stopping(done: int) -> None:
        if done:
            raise KeyboardInterrupt

    def journals() -> list[Journal]:
        return [Journal(tmp_path / name, Named(name)) for name in ("first", "second")]

    part, whole = replace(PART, source=source), posteriors_of_stack(stack, PART)
    with pytest.raises(KeyboardInterrupt):
        posteriors_of_stack(stack, part, None, [lambda done: None, stopping], journals())
    assert sorted(journals()[0].kept()) == [0, 1, 2]
    shown.clear()
    found = posteriors_of_stack(stack, part, journals=journals())
    assert (found == whole).all()
    assert shown == [*range(len(PART))]  # for the second member alone


# --- one by one


@pytest.mark.parametrize("engine", ["torch", "winograd"])
def test_pictures_get_the_posteriors_of_a_test(engine: str) -> None:
    for name, of in (("two", two_nets()), ("three", one_trunk())):
        save_stack(of.stack, f"{name}.safetensors")
        predictor = Predictor.of(f"{name}.safetensors", TWO_CORES.machine, engine)
        found = list(predictor.predict([PART.source(0), b"none", PART.source(1)]))
        assert isinstance(found.pop(1), PictureError)
        for one, row in zip(found, plainly(of, PART)[:2], strict=True):
            assert isinstance(one, Prediction)
            np.testing.assert_allclose(one.posteriors.numpy(), row, atol=1e-4)


def test_members_with_one_trunk_have_one_engine_for_it() -> None:
    """What engines make of a trunk's weights takes four times their memory."""
    save_stack(one_trunk().stack, "s.safetensors")
    engines = engines_for(load_stack("s.safetensors").networks, "winograd")
    assert len({id(engine.trunk) for engine in engines}) == 1
    assert len({id(engine.network) for engine in engines}) == 3
    others = engines_for(two_nets().stack.networks, "winograd")
    assert others[0].trunk is not others[1].trunk
    moved = load_stack("s.safetensors").networks
    moved[1].pixels = replace(moved[1].pixels, order="BGR")
    first, second, third = engines_for(moved, "winograd")
    assert first.trunk is third.trunk
    assert first.trunk is not second.trunk


def test_a_stack_asks_each_member_at_its_own_scales() -> None:
    stack = two_nets().stack
    swapped = Stack(
        tuple(
            replace(member, scales=other.scales)
            for member, other in zip(stack.members, reversed(stack.members), strict=True)
        )
    )
    assert not np.allclose(posteriors_of_stack(stack, PART), posteriors_of_stack(swapped, PART))
