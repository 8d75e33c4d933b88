"""Graphs in words: by hand, of a few layers each."""

from __future__ import annotations

import pytest

from verydeep.importers.graph_words import Node, spoken
from verydeep.importers.known_graphs import known
from verydeep.limits import FormatError

FIRST = Node("a", "conv", (-1,), "conv3-8")


def words(*nodes: Node) -> list[str]:
    return [part.word for part in spoken(nodes).parts]


def test_a_shortcut_stands_last_whichever_way_it_is_read() -> None:
    relu, main = Node("r", "relu", (0,)), Node("b", "conv", (1,), "conv3-8")
    for reads in ((1, 2), (2, 1)):
        end = Node("s", "sum", reads)
        assert words(FIRST, relu, main, end) == [
            "conv3-8", "[", "conv3-8 linear", "|", "] linear", "soft-max",
        ]  # fmt: skip


def test_norm_scale_and_relu_are_in_the_word_of_their_convolution() -> None:
    norm, scale, relu = Node("n", "norm", (0,)), Node("s", "scale", (1,)), Node("r", "relu", (2,))
    (part, _) = spoken((FIRST, norm, scale, relu)).parts
    assert (part.word, part.places) == ("conv3-8-bn", (0, 1, 2))


def test_what_does_not_lead_to_the_longest_end_is_left_out() -> None:
    beside = Node("aux", "conv", (0,), "conv1-4")
    on = Node("b", "conv", (0,), "conv3-8")
    found = spoken((FIRST, beside, on, Node("c", "conv", (2,), "conv3-8")))
    assert found.left == ("aux",)
    assert len(found.parts) == 4


def test_rings_and_branches_that_cross_are_refused_by_a_layer() -> None:
    two = [Node(name, "conv", (0,), "conv3-8") for name in "bc"]
    crossed = (FIRST, *two, Node("d", "concat", (1, 2)), Node("e", "concat", (1, 3)))
    ring = (Node("a", "relu", (1,)), Node("b", "relu", (0,)))
    for nodes, line in ((crossed, "is in two branches"), (ring, "no layers of a net|after it")):
        with pytest.raises(FormatError, match=line):
            spoken(nodes)
        assert known(nodes) is None
