"""`bench/on_gpu.py`: what it writes, tried on a CPU in tiny sizes, and what becomes of failures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BROKEN_PARTS = ["falls", "hangs", "dies"]
BROKEN = """
import sys, time
import on_gpu
from found import Fact

def falls(sizes, tell):
    tell(Fact("told before", 1))
    raise ValueError("no such card")

def hangs(sizes, tell):
    tell(Fact("told before", 1))
    time.sleep(60)

def dies(sizes, tell):
    import os
    os.abort()

on_gpu.PARTS = {
    "falls": on_gpu.PartOfIt(falls, 30),
    "hangs": on_gpu.PartOfIt(hangs, 1),
    "dies": on_gpu.PartOfIt(dies, 30),
    **on_gpu.PARTS,
}
on_gpu.main()
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script wrote as JSON, of its parts after three broken ones."""
    out = tmp_path_factory.mktemp("gpu")
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "bench")))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, "--dry-run", "--out", str(out)],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr + done.stdout
    assert sorted(path.name for path in out.iterdir()) == ["gpu.json", "gpu.md"]
    written: dict[str, Any] = json.loads((out / "gpu.json").read_text())
    table = (out / "gpu.md").read_text()
    assert table.strip() in done.stdout
    for part, about in written.items():
        assert f"## {part}" in table
        for figure in about["figures"]:
            row = f"| {figure['what']} | {figure['way']} | {figure['median']:.4g} |"
            assert row in table
        for failure in about["failures"]:
            assert f"- FAILED {failure['what']}" in table
    return written


def test_a_dry_run_tells_of_every_part(found: dict[str, Any]) -> None:
    assert list(found) == [
        *BROKEN_PARTS, "machine", "tests", "training step", "training", "testing", "inference",
    ]  # fmt: skip
    assert [part for part, about in found.items() if about["failures"]] == BROKEN_PARTS
    assert {"card", "torch", "Python"} <= set(found["machine"]["facts"])
    assert found["tests"]["facts"]["passed"] >= 4
    for part in ("training step", "testing", "inference"):
        figures = found[part]["figures"]
        assert {"verydeep", "torchvision"} <= {figure["way"] for figure in figures}
        for figure in figures:
            assert figure["least"] <= figure["median"] <= figure["most"]
            assert figure["least"] > 0
    assert len(found["training"]["figures"]) == 2  # two epochs


def test_a_part_that_fails_hangs_or_dies_stops_no_other_and_is_told_of(
    found: dict[str, Any],
) -> None:
    failures = {part: about["failures"] for part, about in found.items()}
    assert "ValueError: no such card" in failures["falls"][0]["traceback"]
    assert "in falls" in failures["falls"][0]["traceback"]
    assert "stopped after 1 s" in failures["hangs"][0]["traceback"]
    assert "in hangs" in failures["hangs"][0]["traceback"]  # where it hung
    assert "ended with code -6" in failures["dies"][0]["traceback"]
    assert "in dies" in failures["dies"][0]["traceback"]
    assert found["falls"]["facts"]["told before"] == found["hangs"]["facts"]["told before"] == 1
