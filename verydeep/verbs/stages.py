"""Staged training as the paper did it: A, then deeper nets from its layers, then larger S.

Each stage is a run in a folder of its own, started from the best weights of the one before; the
whole can be stopped anywhere and gone on with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from verydeep import schema
from verydeep.errors import UserError, one_line
from verydeep.evaluation.scores import Scores
from verydeep.files import write_atomic
from verydeep.runtime.runtime import Runtime
from verydeep.schema import Line
from verydeep.studies.plan import Plan, Training
from verydeep.training.defaults import refuse_without_effect
from verydeep.training.recipes import RECIPES, Recipe, chain, settings_of
from verydeep.training.run import new_folder
from verydeep.training.run_toml import to_toml
from verydeep.training.settings import Settings, checked
from verydeep.verbs.plans import Finish, Work, carry_out

CHAIN = "chain.toml"
"""What a staged training is made of, in its folder."""


@dataclass(frozen=True)
class Chain:
    """Which recipe is the last, and where the data lies."""

    recipe: Line
    data: Line


@dataclass(frozen=True)
class Described:
    """What chain.toml says."""

    chain: Chain
    given: dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A stage that is finished: its recipe, its folder, and its score files' content."""

    recipe: Recipe
    folder: Path
    tests: tuple[Scores, ...]


def train_staged(
    data: str | Path,
    last: Recipe,
    out: str | Path | None = None,
    runtime: Runtime | None = None,
    *,
    finish: Finish = lambda run: None,
    **given: Any,
) -> list[Stage]:
    """Trains all that a recipe stands on and then itself, one stage after another.

    `given` are settings laid over those of every stage, such as `width`; the stages' own net,
    scale and start cannot be among them. Raises UserError as `train` does.
    """
    runtime = runtime or Runtime()
    ranks = runtime.ranks
    for name in ("net", "scale", "start"):
        if name in given:
            raise UserError(f"{name} is each stage's own in recipe {last.name}; leave it out")
    refuse_without_effect(checked(given), Settings(**settings_of(last, given)))
    folder = Path(out) if out else None
    if ranks.is_main:
        where = str(Path(data).resolve()) if Path(data).exists() else str(data)
        about = Described(Chain(last.name, where), checked(given))
        text = to_toml(asdict(about)).encode()
        begun = folder is not None and is_staged(folder) and ranks.started_by_another
        if folder is None or not begun or (folder / CHAIN).read_bytes() != text:
            folder = new_folder(folder, last.name)
            (folder / "log.csv").unlink()
            write_atomic(folder / CHAIN, text)
    folder = Path(ranks.broadcast(str(folder)))
    return _go_through(data, last, folder, given, runtime, finish)


def resume_staged(
    folder: str | Path,
    runtime: Runtime | None = None,
    *,
    data: str | Path | None = None,
    finish: Finish = lambda run: None,
) -> list[Stage]:
    """Goes on with a staged training wherever it was stopped."""
    folder = Path(folder)
    try:
        said = schema.of_toml((folder / CHAIN).read_bytes())
        about: Described = schema.fitting(Described, said)
        where, given = data or about.chain.data, checked(about.given)
        last = RECIPES[about.chain.recipe]
    except OSError as error:
        raise UserError(f"{folder / CHAIN} cannot be read: {error.strerror}") from None
    except KeyError as error:
        raise UserError(f"{folder / CHAIN} names no recipe: {one_line(error)}") from None
    except ValueError as error:
        raise UserError(f"{folder / CHAIN} cannot be gone on with: {error}") from None
    return _go_through(where, last, folder, given, runtime or Runtime(), finish)


def is_staged(folder: Path) -> bool:
    """Whether a folder holds a staged training."""
    return (folder / CHAIN).is_file()


def _go_through(
    data: str | Path,
    last: Recipe,
    folder: Path,
    given: Mapping[str, Any],
    runtime: Runtime,
    finish: Finish,
) -> list[Stage]:
    """Every stage in turn: left alone where it is finished, gone on with, or begun."""
    recipes = chain(last)
    work = Work(Plan(tuple(Training(r.name, {}, r, r.after) for r in recipes)), folder, data, given)
    carry_out(work, runtime, finish)
    return [Stage(r, work.place(r.name), work.tests_of(r.name)) for r in recipes]
