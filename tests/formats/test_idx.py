"""IDX files against the bytes that MNIST's page tells of, whole and damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.given_files import idx
from verydeep.errors import UserError
from verydeep.formats.idx import read

TWO = bytes.fromhex("00000803 00000002 00000002 00000003 010203 040506 070809 0a0b0c")
"""Two pictures of 2 x 3, written down by hand."""


@pytest.mark.parametrize("data", [TWO, gzip.compress(TWO)], ids=["plain", "gzipped"])
def test_an_array_is_read_gzipped_or_not(data: bytes) -> None:
    Path("x").write_bytes(data)
    assert read("x", 3).tolist() == [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]


DAMAGED = {
    "cut short: 9 of 12 bytes": TWO[:-3],
    "more follows after the 12 bytes": TWO + b"x",
    "cut short in its header": TWO[:10],
    "does not begin as an IDX file does": b"\x89PNG" + TWO,
    "holds numbers of kind 0x0d, not bytes": TWO.replace(b"\x08\x03", b"\x0d\x03", 1),
    "it is said to hold 4,261,478,400 bytes": b"\0\0\x08\x03" + b"\0\0\xff\0" * 2 + b"\0\0\0\1",
    "damaged or cut short": gzip.compress(TWO)[:-5],
    "compressed bytes are damaged": gzip.compress(TWO)[:-8] + bytes(8),
}


@pytest.mark.parametrize("said", DAMAGED)
def test_a_damaged_file_is_one_line(said: str) -> None:
    Path("x").write_bytes(DAMAGED[said])
    with pytest.raises(UserError, match=said) as found:
        read("x", 3)
    assert "\n" not in str(found.value)
    assert str(found.value).startswith("x cannot be read as IDX: ")


def test_labels_are_not_taken_for_pictures() -> None:
    Path("x").write_bytes(idx(np.arange(5)))
    assert read("x", 1).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="1 axes where 3 are expected"):
        read("x", 3)


def test_a_file_that_unfolds_to_more_than_it_says_is_not_unfolded() -> None:
    Path("x").write_bytes(gzip.compress(TWO + bytes(1 << 24)))
    with pytest.raises(UserError, match="more follows"):
        read("x", 3)
