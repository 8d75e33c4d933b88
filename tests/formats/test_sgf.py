r"""SGF's grammar (FF[4]), by small texts written here; what comes out is by hand.

https://www.red-bean.com/sgf/ has the examples of variations, escapes and lines that are joined.
"""

from __future__ import annotations

import tracemalloc

import pytest

from verydeep.formats import sgf
from verydeep.formats.sgf import main_lines
from verydeep.limits import FormatError


def test_the_main_line_is_the_first_of_variations() -> None:
    """FF[4]'s own example of variations: a b (c d (e f) (g h)) (i j)."""
    data = b"(;A[a];B[b](;C[c];D[d](;E[e];F[f])(;G[g];H[h]))(;I[i];J[j]))"
    (line,) = main_lines(data)
    assert [[*node] for node in line] == [["A"], ["B"], ["C"], ["D"], ["E"], ["F"]]


def test_a_file_may_have_several_games_and_anything_before_the_first() -> None:
    found = main_lines(b"From: somebody (1999)\n\n(;B[aa])\n (;W[bb];B[cc]) end")
    assert [len(line) for line in found] == [1, 2]


def test_properties_have_values_in_order_and_space_between() -> None:
    (line,) = main_lines(b"(;AB [aa]\n[bb] [cc]SZ[19]\tC[x]C[y])")
    assert line == [{"AB": ("aa", "bb", "cc"), "SZ": ("19",), "C": ("x", "y")}]


def test_small_letters_of_names_are_left_out() -> None:
    (line,) = main_lines(b"(;GaMe[1]White[aa])")
    assert line == [{"GM": ("1",), "W": ("aa",)}]


def test_what_is_escaped_is_text() -> None:
    r"""A bracket, a backslash, a colon; and an escaped end of a line joins it with the next."""
    (line,) = main_lines(b"(;C[a \\] b \\\\ c\\: d\\\ne (;B[aa\\])])")
    assert line == [{"C": ("a ] b \\ c: de (;B[aa])",)}]


def test_text_is_utf8_or_what_ca_says() -> None:
    assert main_lines("(;PB[囲碁])".encode())[0][0]["PB"] == ("囲碁",)
    assert main_lines("(;CA[Shift_JIS]PB[囲碁ソ])".encode("shift_jis"))[0][0]["PB"] == ("囲碁ソ",)
    assert main_lines("(;CA[latin-1]PB[é])".encode("latin-1"))[0][0]["PB"] == ("é",)
    assert main_lines("(;PB[é])".encode("latin-1"))[0][0]["PB"] == ("é",)
    assert main_lines(b"\xef\xbb\xbf(;B[aa])") == [[{"B": ("aa",)}]]


@pytest.mark.parametrize("text", [b"a" * 2**20, b"\\a" * 2**19])
def test_a_long_text_takes_memory_as_its_size_has_it(text: bytes) -> None:
    """The text in bytes, in letters, and unescaped; not a hundred bytes for each letter."""
    tracemalloc.start()
    main_lines(b"(;C[" + text + b"];B[aa])")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", "no game: '\\(;' stands nowhere in it"),
        (b"\x89PNG\r\n\x1a\n\x00", "no game: '\\(;' stands nowhere in it"),
        (b"(;CA[utf-8]PB[\xe9])", "not utf-8 in all of its bytes; save it as UTF-8"),
        (b"(;CA[GB2312]PB[\xff\xff])", "not GB2312"),
        (b"(;CA[hex]B[aa])", "CA says 'hex', which is no text"),
        (b"(;CA[nonsense]B[aa])", "CA says 'nonsense'"),
        (b"(;B[aa]", "ends within a game, with 1 '\\)' to come"),
        (b"(;B[aa", "a value in \\[\\] was to come after B at letter 4, where '\\[aa' is"),
        (b"(;B", "where the end of the file is"),
        (b"(;B[aa] 7)", "'\\(', ';' or '\\)' was to come at letter 9"),
        (b"(;" + b"(;" * 20_000, "more than 10,000 variations within variations"),
    ],
)
def test_nonsense_is_one_line(data: bytes, line: str) -> None:
    with pytest.raises(FormatError, match=line) as caught:
        main_lines(data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sgf, "NODES", 100)
    with pytest.raises(FormatError, match="more than 100 nodes"):
        main_lines(b"(;" + b";" * 200 + b")")
    monkeypatch.setattr(sgf, "MOST", 1000)
    with pytest.raises(FormatError, match="1,001 bytes, where 1,000 are read at most"):
        main_lines(b"(;C[" + b"x" * 996 + b"]")


def test_deep_and_long_files_are_read_in_no_depth_of_calls() -> None:
    deep = b"(;B[aa]" * 9000 + b")" * 9000
    assert len(main_lines(deep)[0]) == 9000
    value = b"(;C[" + b"\\]" * 200_000 + b"])"
    assert main_lines(value)[0][0]["C"] == ("]" * 200_000,)
    # beyond the time that a test may take, if each copied all those before
    often = b"(;" + b"C[a]" * 500_000 + b")"
    assert main_lines(often)[0][0]["C"] == ("a",) * 500_000
