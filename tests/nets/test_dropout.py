"""Dropout by a seed for each picture.

The words of Philox are those of Random123's own table of known answers (`kat_vectors`), which its
authors publish with their paper (Salmon et al., 2011).
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import images
from verydeep.nets.dropout import dropout, kept, philox, streams_of
from verydeep.nets.network import Rules, build
from verydeep.nets.rows import PICTURE, Dropout
from verydeep.nets.table import SCORES

ROW = Dropout("drop6", ("relu6",))
STREAMS = {"drop6": 1}
SEEDS = torch.tensor([3, 2**32 - 1, 0, 77])


@pytest.mark.parametrize(
    ("rounds", "counter", "key", "words"),
    [
        (7, (0, 0), 0, (0x257A3673, 0xCD26BE2A)),
        (7, (0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, (0xAB302C4D, 0x3DC9D239)),
        (7, (0x243F6A88, 0x85A308D3), 0x13198A2E, (0xBEDBBE6B, 0xE4C770B3)),
        (10, (0, 0), 0, (0xFF1DAE59, 0x6CD10DF2)),
        (10, (0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
        (10, (0x243F6A88, 0x85A308D3), 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
    ],
)
def test_words_are_those_of_random123(
    rounds: int, counter: tuple[int, int], key: int, words: tuple[int, int]
) -> None:
    found = philox(torch.tensor([counter[0]]), counter[1], torch.tensor([key]), rounds)
    assert tuple(word.item() for word in found) == words


@pytest.mark.parametrize("p", [0.1, 0.5, 0.7])
def test_values_are_kept_with_the_probability_asked_for(p: float) -> None:
    """Of 400,000 values the share has a deviation of 0.0008 at the most."""
    share = kept(SEEDS, 1, 100_000, p).float().mean().item()
    assert share == pytest.approx(1 - p, abs=0.004)


def test_pictures_rows_and_neighbours_are_drawn_independently() -> None:
    """The share of places where two draws of 0.5 agree has a deviation of 0.0016."""
    one, other = (kept(SEEDS, stream, 100_001, 0.5) for stream in (1, 2))
    for left, right in ((one[0], one[1]), (one, other), (one[:, 1:], one[:, :-1])):
        assert (left == right).float().mean().item() == pytest.approx(0.5, abs=0.008)


def test_what_is_dropped_does_not_depend_on_the_batch() -> None:
    network = build("A", classes=3, width=0.125, crop=32).train()
    crops = images(4, 32, 32)

    def scores(pictures: slice) -> Tensor:
        rules: Rules = {Dropout: dropout(SEEDS[pictures], streams_of(network.table))}
        return network.run({PICTURE: crops[pictures]}, [SCORES], rules)[SCORES]

    alone = torch.cat([scores(slice(i, i + 1)) for i in range(4)])
    torch.testing.assert_close(scores(slice(None)), alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(alone, network.eval().score_map(crops), atol=1e-2)


def test_dropout_keeps_the_mean() -> None:
    dropped = dropout(SEEDS, STREAMS)(ROW, nn.Dropout(0.5), torch.ones(4, 100_000, 1, 1))
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)


def test_no_dropout_leaves_values_as_they_are() -> None:
    values = images(4, 8, 8)
    assert torch.equal(dropout(SEEDS, STREAMS)(ROW, nn.Dropout(0.0), values), values)
