"""What a measurement finds, as records that go into JSON and a table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Fact:
    """One thing to know of the machine or of a measurement."""

    name: str
    value: str | float


@dataclass(frozen=True)
class Figure:
    """What was measured of one way of doing a thing, turn by turn."""

    what: str
    way: str
    unit: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Failure:
    """What went wrong, and where."""

    what: str
    traceback: str


Found = Fact | Figure | Failure
Tell = Callable[[Found], None]
KINDS: dict[str, Callable[..., Found]] = {"fact": Fact, "figure": Figure, "failure": Failure}


def as_line(found: Found) -> dict[str, Any]:
    """A record as JSON has it, with its kind."""
    return {"kind": type(found).__name__.lower(), **asdict(found)}


def of_line(line: dict[str, Any]) -> Found:
    """The record that `as_line` wrote."""
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in line.items()}
    kind = KINDS[line["kind"]]
    del given["kind"]
    return kind(**given)


def summary(figure: Figure) -> dict[str, Any]:
    """A figure with its median and its extremes."""
    values = figure.values
    extremes = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {**asdict(figure), **extremes}


def markdown(found: dict[str, list[Found]]) -> str:
    """All that was found, part by part, as tables and what failed below them."""
    return "\n".join(line for part, all_ in found.items() for line in _section(part, all_))


def _section(part: str, found: Sequence[Found]) -> Iterable[str]:
    yield from ("", f"## {part}", "")
    facts = [each for each in found if isinstance(each, Fact)]
    figures = [each for each in found if isinstance(each, Figure)]
    failures = [each for each in found if isinstance(each, Failure)]
    if figures:
        yield from ("| what | way | median | least | most | unit |", "|---|---|---|---|---|---|")
    for figure in figures:
        about = summary(figure)
        numbers = " | ".join(f"{about[name]:.4g}" for name in ("median", "least", "most"))
        yield f"| {figure.what} | {figure.way} | {numbers} | {figure.unit} |"
    if figures and facts:
        yield ""
    for fact in facts:
        value = f"{fact.value:.4g}" if isinstance(fact.value, float) else fact.value
        yield f"- {fact.name}: {value}"
    for failure in failures:
        last = [line for line in failure.traceback.split("\n") if line.strip()] or ["?"]
        yield f"- FAILED {failure.what}: {last[-1].strip()}"
