"""Files of stacks: what goes in comes out, shared tensors are there once, nothing wrong is read."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.stacks import CLASSES, PIXELS, Made, net, one_trunk, picture, two_nets
from tests.weights.test_file import changed, of_format
from verydeep import load, tensors_file
from verydeep.errors import UserError
from verydeep.nets.describing import describing
from verydeep.nets.network import Network
from verydeep.nets.stack import Stack
from verydeep.parts.seen import Memory
from verydeep.verbs.quantise import export_int8
from verydeep.weights import (
    Origin,
    hash_of,
    hash_of_stack,
    load_any,
    load_stack,
    save,
    save_stack,
)
from verydeep.weights.file import KIND, read_info, read_memory

HERE = Path("s.safetensors")


def same(one: Stack, other: Stack) -> bool:
    """Whether two stacks are the same to the bit."""
    return len(one.members) == len(other.members) and all(
        (a.scales, a.network.table, a.network.classes, a.network.pixels)
        == (b.scales, b.network.table, b.network.classes, b.network.pixels)
        and hash_of(a.network) == hash_of(b.network)
        for a, b in zip(one.members, other.members, strict=True)
    )


@pytest.mark.parametrize("make", [two_nets, one_trunk, lambda: two_nets(several=True)])
def test_a_stack_comes_back_whole(make: Callable[[], Made]) -> None:
    written = make().stack
    digest = save_stack(written, HERE, {"seed": 3}, Memory({"train": np.array([3, 5])}))
    read, info = load_stack(HERE), read_info(HERE)
    assert same(read, written)
    assert read.predict(picture()) == written.predict(picture())
    assert digest == info.hash == hash_of_stack(written) == hash_of_stack(read)
    assert (info.classes, info.provenance, info.has_memory) == ([*CLASSES], {"seed": 3}, True)
    assert read_memory(HERE).keys["train"].tolist() == [3, 5]


def test_what_members_share_is_in_the_file_once_and_in_memory_once() -> None:
    """By hand: of three members of one trunk, the classifiers and the header are what is more."""
    network = net()
    alone = sum(tensor.nbytes for tensor in describing(network, "relu7").state_dict().values())
    classifiers = 3 * 4 * (24 * 3 + 3)  # of 24 numbers, 3 classes, in float32
    save_stack(one_trunk(network).stack, HERE)
    with HERE.open("rb") as file:
        header = 8 + int.from_bytes(file.read(8), "little")
    assert HERE.stat().st_size - header <= alone + classifiers
    names = load_file(HERE)
    assert "1.conv1_1.weight" in names
    assert not any(name.startswith(("2.conv", "3.conv", "2.fc6", "3.fc7")) for name in names)
    trunks = {
        m.network.get_parameter("conv3_1.weight").data_ptr() for m in load_stack(HERE).members
    }
    assert len(trunks) == 1


def test_the_same_stack_gives_the_same_file_whatever_it_shares_in_memory() -> None:
    save_stack(one_trunk().stack, HERE)
    save_stack(load_stack(HERE), "t.safetensors")
    assert HERE.read_bytes() == Path("t.safetensors").read_bytes()


def test_a_file_of_one_network_is_as_it_was() -> None:
    """Versions without stacks read what is written today."""
    save(net(), "n.safetensors")
    assert "members" not in tensors_file.read(Path("n.safetensors"), KIND).record


def test_one_network_and_a_stack_are_not_taken_for_each_other() -> None:
    save_stack(two_nets().stack, HERE)
    save(net(), "n.safetensors")
    assert isinstance(load_any(HERE), Stack)
    assert isinstance(load_any("n.safetensors"), Network)
    for read in (load, Origin.of, lambda path: export_int8(path, "drawn", Path("a.onnx"))):
        with pytest.raises(
            UserError, match="s.safetensors is a stack of 2, and one network is wanted"
        ):
            read(HERE)
    with pytest.raises(UserError, match="n.safetensors is one network, and no stack; verydeep.loa"):
        load_stack("n.safetensors")


def test_a_stack_in_a_file_of_an_earlier_format_is_refused() -> None:
    save_stack(two_nets().stack, HERE)
    said = tensors_file.read(HERE, KIND).record
    for number in (1, 2):
        of_format(number, HERE, members=said["members"], table=None, pixels=None, classes=CLASSES)
        with pytest.raises(UserError, match="s.safetensors"):
            load_any(HERE)


def test_a_bit_changed_anywhere_is_found() -> None:
    save_stack(one_trunk().stack, HERE)
    content, draw = HERE.read_bytes(), random.Random(0)
    for _ in range(20):
        damaged = bytearray(content)
        damaged[draw.randrange(8, len(content))] ^= 1 << draw.randrange(8)
        HERE.write_bytes(damaged)
        with pytest.raises(UserError, match="no whole weights file|no weights file|none of very"):
            load_any(HERE)
    for cut in (30, 1000, len(content) - 1):
        HERE.write_bytes(content[:cut])
        with pytest.raises(UserError, match="s.safetensors"):
            load_any(HERE)


def test_weights_that_are_no_numbers_are_named() -> None:
    stack = one_trunk().stack
    with torch.no_grad():
        stack.members[1].network.get_parameter("fc8.bias")[0] = torch.nan
    save_stack(stack, HERE)
    with pytest.raises(UserError, match="no finite numbers, in 2.fc8.bias"):
        load_stack(HERE)


FIRST = ("members", 0)
SECOND = ("members", 1)


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("members",), [], "a stack of 0 networks"),
        (("members",), {}, "members is a table"),
        (("members",), [{}] * 65, "members is a list of 65; a list of 64 values at most"),
        (("table",), {"name": "A", "words": ["conv3-64"], "crop": 32}, "a table or pixels beside"),
        (("pixels",), {}, "it has a table or pixels beside its members"),
        ((*FIRST, "table"), None, "table is nothing"),
        ((*FIRST, "table", "crop"), 10**6, "table.crop is 1000000"),
        ((*FIRST, "table", "words"), ["conv3-8", "mean"], "has no mean row before its scores"),
        ((*FIRST, "pixels", "order"), "RBG", "pixels.order is 'RBG'"),
        ((*FIRST, "scales"), [], "member 1 of a stack has no Q"),
        ((*FIRST, "scales"), [48, 48], "member 1 of a stack has no Q, or one twice"),
        ((*FIRST, "scales"), [16], "at Q = 16, and A needs 32 at least"),
        ((*FIRST, "scales"), [10**9], r"scales\[0\] is 1000000000; a whole number from 1 to 65535"),
        ((*FIRST, "scales"), [*range(40, 200)], "scales is a list of 160"),
        ((*SECOND, "scales"), [*range(90, 154)], "a stack with 66 different Q; it has 64"),
        ((*SECOND, "shared"), [], "shared is a list"),
        ((*SECOND, "shared", "conv1_1.bias"), 0, "shared.conv1_1.bias is 0; a whole number from"),
        ((*SECOND, "shared", "conv1_1.bias"), "1", "shared.conv1_1.bias is '1'"),
        (("classes",), ["ant", "bee"], "2 class names for a table of 3"),
    ],
)  # fmt: skip
def test_a_header_that_says_no_stack_is_refused_by_name(
    where: tuple[Any, ...], value: Any, said: str
) -> None:
    save_stack(one_trunk().stack, HERE)
    changed(HERE, where, value)
    for read in (read_info, load_any, load_stack):
        with pytest.raises(UserError, match=f"s.safetensors describes itself wrongly: .*{said}"):
            read(HERE)


@pytest.mark.parametrize(
    ("member", "shared", "said"),
    [
        (1, {}, "its 2.conv1_1.bias is none, 8 needed"),
        (1, {"conv9_9.bias": 1}, "its member 2 cannot share conv9_9.bias with member 1"),
        (1, {"conv1_1.bias": 2}, "its member 2 cannot share conv1_1.bias with member 2"),
        (1, {"conv1_1.bias": 60}, "its member 2 cannot share conv1_1.bias with member 60"),
        (0, {"conv1_1.bias": 1}, "its member 1 cannot share conv1_1.bias with member 1"),
    ],
)
def test_sharing_what_is_not_there_is_refused(
    member: int, shared: dict[str, int], said: str
) -> None:
    save_stack(one_trunk().stack, HERE)
    changed(HERE, ("members", member, "shared"), shared)
    with pytest.raises(UserError, match=f"s.safetensors does not fit its own table.*{said}"):
        load_any(HERE)


def test_tensors_of_one_shape_are_not_shared_as_those_of_another() -> None:
    """The first has fc6 as a hidden layer, the second as its classifier."""
    save_stack(two_nets().stack, HERE)
    changed(HERE, ("members", 1, "shared"), {"conv1_2.weight": 1})
    with pytest.raises(UserError, match="its 1.conv1_2.weight is none, 8 x 8 x 3 x 3 needed"):
        load_any(HERE)
    changed(HERE, ("members", 1, "shared"), {"fc6.weight": 1})
    with pytest.raises(
        UserError, match="does not fit its own tables: 1.fc6.weight is of two shapes"
    ):
        load_any(HERE)


def test_what_could_not_be_read_again_is_not_written() -> None:
    stack = two_nets().stack
    for member in stack.members:
        member.network.classes = ("ant", "ant", "bee")
    with pytest.raises(UserError, match=r"cannot write .*read again: two classes are called 'ant'"):
        save_stack(stack, HERE)
    assert not HERE.exists()
    assert stack.members[0].network.pixels == PIXELS
