"""What reaches the terminal. What must not is written down here from Unicode's own charts.

C0 and C1 controls and DEL are U+0000-001F and U+007F-009F; ends of lines are U+2028 and 2029; what
turns the direction of writing is the list Bidi_Control of UAX 9: U+061C, 200E, 200F, 202A-202E and
2066-2069.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageDraw

from verydeep import save
from verydeep.commands import main as command_line
from verydeep.commands.console import Console, harmless
from verydeep.datasets import open_dataset
from verydeep.errors import UserError, escaped, harm_of, one_line
from verydeep.nets.network import build
from verydeep.report import sheet
from verydeep.report.html import write_html
from verydeep.report.tables import text_table
from verydeep.runtime.progress import Shown
from verydeep.weights.schema import class_names_of

RAW = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
HARM = "a\x1b[2J\x07\x7f\x9b\u2028\u202e\u2066\u200f\udce9\nz"
SAID = r"a\x1b[2J\x07\x7f\x9b\u2028\u202e\u2066\u200f\udce9\nz"
Photos = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def verydeep(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["verydeep", *words])
        with pytest.raises(SystemExit) as leaving:
            command_line.main()
        return (int(leaving.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def weights() -> str:
    save(build("A", ["cat", "dog"], width=0.125, crop=32, fc=16), "w.safetensors")
    return "w.safetensors"


def test_whatever_steers_a_terminal_is_written_as_python_writes_it() -> None:
    assert escaped(HARM) == SAID
    everything = "".join(map(chr, [*range(0x3000), *range(0xD800, 0xE000)]))
    said = escaped(everything)
    assert not RAW.search(said)
    assert "\n" not in said
    said.encode()  # no lone surrogate is left


def test_names_of_all_scripts_stay_as_they_are() -> None:
    """Accents apart, a wide and a hard space, joiners of Persian and of emoji, a backslash."""
    names = ["Café", "Cafe\u0301", "日本\u3000語", "a\xa0b", "می\u200cخواهم", "a\\x1b"]
    for name in (*names, "\U0001f468\u200d\U0001f469"):
        assert escaped(name) == name
        assert harm_of(name) is None


def test_what_others_say_is_one_harmless_line() -> None:
    assert one_line("a\x1b[31mb\x00\nsecond") == r"a\x1b[31mb\x00"
    assert not RAW.search(one_line("".join(map(chr, range(1, 300)))))


@pytest.mark.parametrize(
    ("name", "why"),
    [("caf\udce9", "not UTF-8"), ("a\x1b", "control"), ("a\u2028", "end of a line|end of line"),
     ("a\u202e", "direction")],
)  # fmt: skip
def test_a_class_name_is_refused_by_what_is_wrong_with_it(name: str, why: str) -> None:
    assert re.search(why, str(harm_of(name)))


def test_a_class_folder_that_is_not_utf8_is_called_so() -> None:
    with pytest.raises(ValueError, match=r"bytes that are not UTF-8, 'caf\\udce9'"):
        class_names_of(["cat", os.fsdecode(b"caf\xe9")])


def test_what_is_printed_goes_out_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    with harmless():
        print(HARM)
        print(HARM, file=sys.stderr)
        Console().say(HARM)
        Console().step("names", 1, 1, note=HARM)
    Shown().say(HARM)
    out, err = capsys.readouterr()
    assert not RAW.search(out + err)
    assert out.count("\\x1b[2J") == 1
    assert err.count("\\x1b[2J") == 4


def test_a_line_that_is_rewritten_has_no_control_but_the_rewriting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with harmless():
        Console().step(HARM, 0, 2)
    rewriting = "\r\x1b[2K"
    assert terminal.getvalue().startswith(rewriting)
    assert not RAW.search(terminal.getvalue().removeprefix(rewriting))


def hostile(root: Path) -> None:
    """Hostile names: pictures, lists, empty folders, duplicates and faults."""
    picture = (root / "arrow" / "0.png").read_bytes()
    harm = HARM.replace("\udce9", os.fsdecode(b"\xe9"))
    for name in (f"{harm}.png", f"{harm}.txt", f"{harm}.heic"):
        (root / "arrow" / name).write_bytes(picture)
    (root / "crescent" / f"{harm}.jpg").write_bytes(b"no picture")
    (root / "crescent" / f"{harm}2.png").write_bytes(picture)
    (root / harm).mkdir()
    (root / f"{harm}.csv").write_bytes(b"")


@pytest.mark.parametrize(
    "words",
    [
        ["look", "photos"],
        ["look", "photos", "--json"],
        ["look", HARM],
        ["predict", "w.safetensors", "photos", "--top", "1"],
        ["predict", "w.safetensors", "photos", "--json"],
        ["predict", "w.safetensors", HARM],
        ["predict", HARM, "photos"],
        ["evaluate", "w.safetensors", "photos"],
        ["pack", "photos", "--out", HARM],
        ["weights", "show", HARM],
        ["train", "photos", f"--{HARM}"],
        ["train", "photos", "--net", HARM],
    ],
)
def test_no_verb_prints_a_hostile_name_raw(
    verydeep: Run, photos: Photos, weights: str, words: list[str]
) -> None:
    hostile(photos(3, 3))
    _, out, err = verydeep(*words)
    assert not RAW.search(out + err), (out, err)
    assert out + err
    for line in [*out.split("\n"), *err.split("\n")]:
        assert not line.startswith("z")  # where a name's own end of a line would leave it


def test_a_fault_of_ours_prints_no_hostile_name_raw(photos: Photos) -> None:
    """A traceback holds what was said, and goes the same way out."""
    program = (
        "import sys, verydeep.commands.main as m\n"
        "def fail(**_): raise RuntimeError('a\\x1b[2J\\x07')\n"
        "m.app = fail\nm.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert r"RuntimeError: a\x1b[2J\x07" in done.stderr
    assert not RAW.search(done.stderr.replace("\t", ""))


def test_json_gives_back_the_very_names(verydeep: Run, photos: Photos, weights: str) -> None:
    root = photos(1, 1)
    name = f"photos/arrow/{HARM}.png"
    (root / "arrow" / "0.png").rename(name)
    code, out, _ = verydeep("predict", weights, name, "--json")
    assert (code, json.loads(out)[0]["picture"]) == (0, name)
    assert out.isascii()


@pytest.mark.parametrize("encoding", [{}, {"PYTHONIOENCODING": "latin-1"}])
def test_a_terminal_without_utf8_gets_names_escaped(encoding: dict[str, str]) -> None:
    """In a process of its own: the C locale, which Python is told not to mend."""
    program = (
        "import sys\nfrom verydeep.commands.console import harmless\n"
        "with harmless():\n"
        "    print('Caf\\xe9 \\u65e5')\n    print('Caf\\xe9 \\u65e5', file=sys.stderr)\n"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        env={**os.environ, **plain, **encoding},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr
    assert done.stdout == (b"Caf\xe9 \\u65e5\n" if encoding else b"Caf\\xe9 \\u65e5\n")


def test_pages_and_sheets_show_names_harmless(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = write_html(Path("page.html"), HARM, [f"<p>{HARM}</p>"]).read_text(encoding="utf-8")
    assert not RAW.search(page)
    drawn: list[str] = []
    root = photos(2, 2)
    (root / "arrow").rename(root / HARM)
    text = ImageDraw.ImageDraw.text

    def note(pen: Any, place: Any, words: str, *rest: Any) -> None:
        drawn.append(words)
        text(pen, place, words, *rest)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    sheet.write_contact_sheet(open_dataset(root), Path("sheet.png"))
    assert len(drawn) == 2
    assert not RAW.search("".join(drawn))


def test_tables_are_aligned_by_what_is_shown() -> None:
    first, second = text_table([["a\x1bb", "1"], ["cat", "22"]]).split("\n")
    assert (first, second) == ("a\\x1bb   1", "cat     22")


def test_a_refused_picture_is_named_in_one_harmless_line() -> None:
    from verydeep.pictures.reading import read_picture

    with pytest.raises(UserError) as refused:
        read_picture(f"{HARM}.png")
    assert SAID in str(refused.value)
    assert not RAW.search(str(refused.value))
