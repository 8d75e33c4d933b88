"""Every block of the README is run, in order, in one folder, as its reader would run it.

Commands follow `$ ` and what they print stands below them; Python follows `>>> `. A network trained
on another kind of machine differs a little, so numbers with a fraction are compared to within 15 of
the unit that errors have (percent) or 0.15 below one; words and whole numbers must be the same, but
for the epoch that was best.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pages import ROOT, alike, blocks, doctested, transcript

README = ROOT / "README.md"


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
    for block in blocks(README):
        if block.language == "python":
            ran += doctested(block, {})
            continue
        assert block.language in ("console", "text"), f"a block of {block.language} is not run"
        for command, lines in transcript(block.text if block.is_run else ""):
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
