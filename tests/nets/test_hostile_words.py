"""Words of a table that a hostile file may say: each is refused in one line, at once.

Each case was a crash, or an endless reading, of a reader that did not look for it.
"""

from __future__ import annotations

import pytest

from verydeep.errors import UserError
from verydeep.nets.words import read_table
from verydeep.weights.schema import table_of_words


def read(*words: str) -> None:
    table_of_words({"name": "X", "words": list(words), "crop": 32})


@pytest.mark.parametrize(
    "word",
    [
        "conv3-8 groups 0", "conv3-8 /0", "conv3-8 pad 1.5", "conv3-8 pad -1", "conv3-8 dilation 0",
        "conv0-8", "conv3-0", "conv999-8", "maxpool0", "maxpool2 pad 9", "maxpool3 /0",
        "LRN n 2.5", "LRN n 4", "LRN n 0", "LRN k 1e999", "dropout 1.5", "dropout 1",
        "conv3-8-bn epsilon -1", "conv3-8-bn epsilon 0",
    ],
)  # fmt: skip
def test_an_option_out_of_bounds_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="a table that is none"):
        read("conv3-8", word, "FC-5", "soft-max")


@pytest.mark.parametrize(
    "words",
    [
        ["["] * 509 + ["conv3-8"] + ["]"] * 509,
        ["[", "(", *["|"] * 1000, ")", "] linear x 999"],
        ["[", "(", "|", ")", "] linear x 999", "[", "(", "|", ")", "] linear x 300", "conv3-8"],
        ["<conv1_1", "conv3-8", ">", "conv3-8", "conv3-5", "soft-max"],
        ["conv3-8", "<scores", "conv3-8", ">", "conv3-5", "soft-max"],
        ["conv3-8", "<data", "conv3-8", ">", "conv3-5", "soft-max"],
        ["1 x soft-max", "conv3-8"],
        ["<a", "conv3-8", ">", "soft-max"],
        ["soft-max"],
        ["conv3-5", "soft-max", "conv3-5"],
    ],
)  # fmt: skip
def test_a_table_that_nothing_runs_is_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="a table that is none|no machine trains"):
        read(*words)


def test_pictures_of_other_channels_are_no_network_of_ours() -> None:
    said = {"name": "X", "words": ["conv3-8", "FC-5", "soft-max"], "crop": 32, "channels": 1}
    with pytest.raises(ValueError, match="channels"):
        table_of_words(said)
    assert read_table("X", ["conv3-8"], 32, channels=1).rows[0].weights((1, 32, 32)) == (8, 1, 3, 3)


def test_a_row_that_is_asked_for_in_vain_is_named_without_convolutions() -> None:
    with pytest.raises(UserError, match="no layer 'conv1_1' in configuration X; it has no conv"):
        _ = read_table("X", ["FC-5", "soft-max"], 32)["conv1_1"]
