"""Every block of the README is run, in order, in one folder, as its reader would run it.

Commands follow `$ ` and what they print stands below them; Python follows `>>> `. A network trained
on another kind of machine differs a little, so numbers with a fraction are compared to within 15 of
the unit that errors have (percent) or 0.15 below one; words and whole numbers must be the same, but
for the epoch that was best.
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
FRACTION = r"\b\d+\.\d+\b"


def blocks() -> Iterator[tuple[str, str]]:
    """(language, text) of each block, in order."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """(command, the lines that the README shows of its output)."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.strip("\n").split("\n")
        yield command, lines


def alike(shown: str, printed: str) -> bool:
    """Whether two lines are of the same words, in the same order, with fractions near enough."""
    return words(shown) == words(printed) and all(
        abs(a - b) <= (15 if a >= 1 else 0.15)
        for a, b in zip(fractions(shown), fractions(printed), strict=True)
    )


def words(line: str) -> list[str]:
    return re.sub(r"\(epoch \d+\)", "(epoch)", re.sub(FRACTION, "#", line)).split()


def fractions(line: str) -> list[float]:
    return [float(n) for n in re.findall(FRACTION, line)]


def test_lines_are_alike_only_where_their_words_are() -> None:
    assert alike("error 31.2 %, 500 pictures", "error  29.0 %, 500 pictures")
    assert alike("kept (epoch 1)", "kept (epoch 23)")
    assert not alike("error 31.2 %", "loss 31.2 %")
    assert not alike("error 31.2 %", "error 60.0 %")
    assert not alike("ring 0.985", "ring 0.5")
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
            command = command.removeprefix("pip install uv && ").removeprefix("uv run ")
            if command == "pytest":  # it is what runs this
                continue
            done = subprocess.run(shlex.split(command), capture_output=True, text=True)
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            printed = (done.stderr + done.stdout).split("\n")
            for line in lines:
                if line.strip() != "...":
                    assert any(alike(line, p) for p in printed), f"{command}: no line like {line}"
            ran += 1
    assert ran >= 10
