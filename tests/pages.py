"""Blocks of code in the pages, and the commands in them, held against the command line as it is.

A fence's first word is the language; what stands behind it says how the block is run: nothing, for
a block that is run by default; "slow"; or "only parsed: REASON", for what needs a network, several
machines or files that are not here.
"""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main

from verydeep.commands.main import app
from verydeep.commands.train import parsed
from verydeep.nets.named import called, is_known
from verydeep.training import recipes
from verydeep.training.settings import checked

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
ONLY_PARSED = "only parsed: "
FRACTION = r"\b\d+\.\d+\b"
CALL = re.compile(r"(?:^|\s)(?:-m )?verydeep\s+(?P<words>.*)$", re.DOTALL)
PLACEHOLDERS = {"VERB", "NAME"}


@dataclass(frozen=True)
class Block:
    """A block of a page: where it stands, its language, how it is run, and its text."""

    page: str
    line: int
    language: str
    how: str
    text: str

    @property
    def is_run(self) -> bool:
        return self.language in ("console", "python", "sh") and not self.how.startswith(ONLY_PARSED)


def blocks(path: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    text = path.read_text(encoding="utf-8")
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        language, _, how = found[1].partition(" ")
        line = text.count("\n", 0, found.start()) + 1
        yield Block(path.name, line, language or "text", how, found[2])


def shell_lines(block: Block) -> list[str]:
    """The command lines of a block, continued ones in one, without what a console prints."""
    text = block.text.replace("\\\n", " ")
    lines = text.split("\n")
    if block.language == "console":
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def transcript(block: str) -> Iterator[tuple[str, list[str]]]:
    """(command, the lines shown of its output) of a console."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.strip("\n").split("\n")
        yield command, lines


def calls(line: str) -> Iterator[list[str]]:
    """The words after `verydeep` of each call of it in a line of a shell."""
    for piece in re.split(r"&&|\|\||;|\|(?!\w)", re.sub(r"\s#\s.*$", "", line)):
        found = CALL.search(piece)
        if found and not piece.strip().startswith(("pip", "uv pip")):
            yield shlex.split(found["words"])


def options_of(command: Any = None) -> Iterator[str]:
    """Every option of a command and of those in it, or of all verbs."""
    command = command or typer.main.get_command(app)
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for each in getattr(command, "commands", {}).values():
        yield from options_of(each)


def refusal(words: list[str], *, whole: bool = True) -> str | None:
    """What the command line has against these words, as it is; None where it would take them.

    Not `whole` are words in running text, which may lack arguments.
    """
    command: Any = typer.main.get_command(app)
    name, rest = "verydeep", list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name in PLACEHOLDERS:
            return None
        if name not in command.commands:
            return f"no verb '{name}'"
        command = command.commands[name]
    if not rest and not whole:
        return None
    if any(word in ("--help", "-h", "--version") for word in rest) or rest == ["--debug"]:
        return None
    try:
        params = command.make_context(name, [w for w in rest if w != "--debug"]).params
    except Exception as error:
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        return None if not whole and said.startswith("Missing") else f"{name}: {said}"
    return _refused_values(params)


def _refused_values(params: dict[str, Any]) -> str | None:
    """What is wrong with values that only a run would refuse."""
    try:
        if (named := params.get("recipe")) and not str(named).endswith(".toml"):
            recipes.recipe(named)
        checked(parsed(list(params.get("set_") or ())))
    except ValueError as error:
        return str(error)
    net = params.get("net")
    return f"no net '{net}'" if net and not is_known(called(net)) else None


def doctested(block: Block, names: dict[str, Any]) -> int:
    """The number of examples in a block of Python, all of which print what it shows.

    What they name is kept in `names` for the next block.
    """
    parser = doctest.DocTestParser()
    example = parser.get_doctest(block.text, names, block.page, block.page, block.line)
    assert example.examples, f"{block.page}, line {block.line}: Python without >>> is not run"
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    doctest.DocTestRunner(verbose=False, optionflags=flags).run(
        example, out=said.append, clear_globs=False
    )
    assert not said, "".join(said)
    names.update(example.globs)
    return len(example.examples)


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
