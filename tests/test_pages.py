"""Every block of code in the pages beside the README is run, or at least parsed.

The blocks of a page are run in their order, in one folder that has what the pages speak of: photos
and the folders of some small runs. Those that need what is not here say so behind their fence, and
their commands, like those that are run and those in running text, are held against the verbs and
options that there are. test_readme.py runs the README's blocks.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TWO_CORES, drawn_photos
from tests.pages import (
    ONLY_PARSED,
    PAGES,
    ROOT,
    Block,
    alike,
    blocks,
    calls,
    doctested,
    options_of,
    refusal,
    shell_lines,
    transcript,
)
from verydeep.commands import main as command_line
from verydeep.verbs.train import train

DOCS = [page for page in PAGES if page.name != "README.md" and any(b.is_run for b in blocks(page))]
SLOW = [page for page in DOCS if any(block.how == "slow" for block in blocks(page))]
RUNS = ("photos-A", "photos-D", "other-A", "D", "E")
Run = Callable[[str], tuple[int, str]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos of three classes, and one small run under all the names in the pages."""
    root = tmp_path_factory.mktemp("pages")
    drawn_photos(root / "photos", 10, 10, 10, side=48)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        first, *others = (f"runs/{name}" for name in RUNS)
        train(
            "photos", first, TWO_CORES, net="A", width=0.125, crop=32, fc=16, scale=40, batch=8,
            epochs=1,
        )  # fmt: skip
    for other in others:
        shutil.copytree(root / first, root / other)
    return root


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a line of a page in this process: its exit code and all that it printed."""

    def run(line: str) -> tuple[int, str]:
        name, *words = shlex.split(line, comments=True)
        assert name == "verydeep", f"{line}: this is not run; mark the block `{ONLY_PARSED}WHY`"
        monkeypatch.setattr(sys, "argv", ["verydeep", *words])
        with pytest.raises(SystemExit) as leaving:
            command_line.main()
        out, err = capsys.readouterr()
        return int(leaving.value.code or 0), err + out

    return run


@pytest.mark.parametrize(
    ("page", "slow"),
    [
        *(pytest.param(page, False, id=page.name) for page in DOCS),
        *(pytest.param(page, True, id=page.name, marks=pytest.mark.slow) for page in SLOW),
    ],
)
def test_every_block_of_a_page_does_what_it_shows(
    page: Path, slow: bool, house: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(house, tmp_path, dirs_exist_ok=True)
    names: dict[str, object] = {}
    for block in blocks(page):
        if not block.is_run or (block.how == "slow" and not slow):
            continue
        if block.language == "python":
            doctested(block, names)
        elif block.language == "console":
            _show(block, run)
        else:
            for line in shell_lines(block):
                code, said = run(line)
                assert code == 0, f"{page.name}: {line}\n{said}"


def _show(block: Block, run: Run) -> None:
    """Runs a console; what it shows is printed, and the exit code is 0 or what it shows."""
    for command, lines in transcript(block.text):
        expected = [int(n) for line in lines for n in re.findall(r"^\[exit code (\d+)\]$", line)]
        code, said = run(command)
        assert code == (expected or [0])[0], f"{block.page}: {command}\n{said}"
        for line in lines:
            if line.strip() != "..." and not line.startswith("[exit code"):
                assert any(alike(line, p) for p in said.split("\n")), f"{command}: not {line}"


# --- what is only parsed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_block_is_one_that_verydeep_takes(page: Path) -> None:
    for block in blocks(page):
        for line in shell_lines(block) if block.language in ("sh", "console", "text") else ():
            for words in calls(line):
                said = refusal(words)
                assert said is None, f"{page.name}, line {block.line}: {line}\n{said}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_in_a_known_way_how_it_is_run(page: Path) -> None:
    for block in blocks(page):
        assert block.language in ("sh", "console", "python", "text"), block
        assert block.how in ("", "slow") or block.how.startswith(ONLY_PARSED), block


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_in_running_text_are_ones_that_there_are(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    options = _options()
    for span in re.findall(r"`([^`]+)`", text):
        span = " ".join(span.split())
        for words in calls(span) if "verydeep " in span else ():
            said = refusal(words, whole=False)
            assert said is None, f"{page.name}: `{span}`: {said}"
        if span.startswith("--"):
            assert span.split()[0].split("=")[0] in options, f"{page.name}: no option {span}"


def _options() -> set[str]:
    """Every option of every verb and of every measurement."""
    scripts = (ROOT / "bench").glob("*.py")
    measuring = {o for path in scripts for o in re.findall(r'"(--[a-z0-9-]+)"', path.read_text())}
    return {"--help", "--debug", "--install-completion", *options_of(), *measuring}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_speaks_of_are_there(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), f"{page.name}: no {target}"
    for path in re.findall(r"\b((?:bench|tests|docs)/[\w/]+\.(?:py|md))\b", text):
        known = (ROOT / path).exists() or "NAME" in path or "KIND" in path
        assert known, f"{page.name}: no {path}"


# --- the parser itself


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("verydeep train photos/", None),
        ("verydeep trian photos/", "no verb 'trian'"),
        ("verydeep train photos/ --epoch 3", "train: No such option: --epoch"),
        ("verydeep train photos/ --batch many", "'many' is not a valid int"),
        ("verydeep train photos/ --recipe D-265", "no recipe 'D-265'"),
        ("verydeep train photos/ --set dropuot=0", "no setting 'dropuot'"),
        ("verydeep train photos/ --net F", "no net 'F'"),
        ("verydeep evaluate runs/D", "evaluate: Missing"),
        ("verydeep weights export d --to onnx", "export: Missing"),
        ("verydeep weights export d --to onnx --out d.onnx   # --as a comment", None),
        ("srun torchrun --nnodes 2 -m verydeep train x --rates 3", "No such option: --rates"),
        ("pip install uv && uv run verydeep tour --fast", "No such option: --fast"),
    ],
)
def test_a_command_that_verydeep_does_not_take_is_found(line: str, said: str | None) -> None:
    found = [refusal(words) for words in calls(line)]
    assert len(found) == 1
    if said is None:
        assert found == [None]
    else:
        assert said in str(found[0])


def test_blocks_are_told_apart_by_their_fences(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n```sh only parsed: a network\nx \\\n  y\n# no\n```\n```\nz\n```\n")
    first, second = blocks(page)
    assert first == Block("page.md", 2, "sh", "only parsed: a network", "x \\\n  y\n# no\n")
    assert [" ".join(line.split()) for line in shell_lines(first)] == ["x y"]
    assert not first.is_run
    assert (second.language, second.line, second.is_run) == ("text", 7, False)


def test_the_citation_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
