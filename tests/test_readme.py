"""Every block of the README is run, in order, in one folder, as its reader would run it.

Commands follow `$ ` and what they print stands below them; Python follows `>>> `. Numbers may
differ a little between machines, so the text around them is compared, and each number to within
what the text beside it can bear: a tenth, or 15 where it is a percentage.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
ALREADY_DONE = ("pip install uv", "uv run pytest", "uv sync")
NUMBER = r"(?<![\w.])\d[\d,]*\.?\d*"


def blocks() -> Iterator[tuple[str, str]]:
    """(language, text) of each block, in order."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """(command, the lines that the README shows of its output)."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.strip("\n").split("\n")
        yield command, lines


def alike(shown: str, printed: str) -> bool:
    """Whether two lines are of the same words, in the same order, with numbers near enough."""

    def words(line: str) -> list[str]:
        return re.sub(NUMBER, "#", line).replace("█", "").split()

    near = all(
        abs(a - b) <= max(0.1 * a, 15 if "%" in shown else 0)
        for a, b in zip(numbers(shown), numbers(printed), strict=False)
    )
    return words(shown) == words(printed) and near


def numbers(line: str) -> list[float]:
    return [float(n.replace(",", "").rstrip(".")) for n in re.findall(NUMBER, line)]


def test_lines_are_alike_only_where_their_words_are() -> None:
    assert alike("error 31.2 %, 500 pictures", "error  29.0 %, 500 pictures")
    assert not alike("error 31.2 %", "loss 31.2 %")
    assert not alike("error 31.2 %", "error 60.0 %")
    assert not alike("500 pictures", "600 pictures")
    assert not alike("runs/tour/A", "runs/tour/B")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_block_of_the_readme_does_what_it_shows(
    photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(*[8] * 10, side=96)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    ran = 0
    for language, block in blocks():
        if language == "python":
            names: dict[str, object] = {}
            example = doctest.DocTestParser().get_doctest(block, names, "README", "README.md", 0)
            said: list[str] = []
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
            assert not said, "".join(said)
            ran += len(example.examples)
            continue
        assert language in ("console", "text"), f"a block of {language} is not run"
        for command, lines in commands(block):
            if command.startswith(ALREADY_DONE):
                command = command.rpartition("&& ")[2]
            words = shlex.split(command.removeprefix("uv run "))
            if words[0] != "verydeep":
                continue
            done = subprocess.run(words, capture_output=True, text=True)
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            printed = (done.stderr + done.stdout).split("\n")
            for line in lines:
                if line.strip() != "...":
                    assert any(alike(line, p) for p in printed), f"{command}: no line like {line}"
            ran += 1
    assert ran >= 8
