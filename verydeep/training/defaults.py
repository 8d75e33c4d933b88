"""Settings chosen from the data and the machine, each with its reason.

What is chosen depends on nothing but the number and the size of the pictures, the kind of device
and the number of its cores: never on a clock, so the same command always trains the same net.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from verydeep import tasks
from verydeep.errors import UserError
from verydeep.nets import initialisation, named
from verydeep.nets.table import Table
from verydeep.parts.dataset import Part
from verydeep.runtime.machine import Machine
from verydeep.training.choices import choices, of_boards, table_of
from verydeep.training.footprint import micro_batch_of, shared_batch
from verydeep.training.recipes import CROP, Recipe, settings_of
from verydeep.training.settings import MANY, OF_FALLS, Settings, checked, scale_text
from verydeep.training.state import trains_trunk
from verydeep.weights.warm_start import Origin

GIVEN, OF_RECIPE, PAPERS = "as given", "as in recipe", "the paper's"
"""Reasons of settings that nobody chose from data or machine; a recipe's name follows."""
BESIDES = (
    "task", "fc", "start", "tune", "cached", "views", "average", "class_weights", "sampling",
    "each",
    "micro_batch", "precision", "compiled", "bad_start", "bad_loss", "bad_picture", "seed", "split",
    "fold", "validation", "fall", "warm_up", "border", "area", "aspect", "mirror", "smoothing",
    "disturb", "at_steps", "stairs", "mean_from", "cut_by",
)  # fmt: skip
"""Settings that are not told of where nobody chose them; fc is then the width's."""


@dataclass(frozen=True)
class Choice:
    """Settings, and why each that matters is what it is."""

    settings: Settings
    reasons: Mapping[str, str]


def choose(
    train: Part, machine: Machine, given: Mapping[str, Any], recipe: Recipe | None = None
) -> Choice:
    """Settings for this data on this machine; what is `given`, or in a recipe, is kept as it is.

    Beside a recipe nothing is chosen: what it does not say is as the paper has it. Every setting
    that tells one training from another has its reason.

    Raises UserError for a key that no setting has, or a value that none can have.
    """
    given = checked(given)
    said = {**checked(recipe.settings if recipe else {}), **given}
    origin = Origin.of(said["start"]) if said.get("start") else None
    if not len(train):
        raise UserError("no pictures to train on; the data has some to test on only")
    chosen: dict[str, Any] = {}
    why: dict[str, str] = {}
    if recipe is not None:
        chosen = settings_of(recipe, given)
        why = dict.fromkeys(recipe.settings, f"{OF_RECIPE} {recipe.name}")
        for name, value, reason in _in_steps(train, {**chosen, **given}, said):
            chosen[name], why[name] = value, reason
        if chosen["scale"] != checked(recipe.settings).get("scale"):
            why["scale"] = f"crop + {chosen['scale'][0] - chosen.get('crop', CROP)}"
        if chosen.get("initial") != recipe.settings.get("initial"):
            why["initial"] = "in a narrow net the recipe's gaussian would fade"
    else:
        for name, value, reason in choices(train, machine, dict(given), chosen, origin):
            chosen[name], why[name] = value, reason
    if said.get("cached") and "colour" not in said:
        chosen["colour"], why["colour"] = 0.0, "none: fixed views are kept as they are"
    why |= dict.fromkeys(given, GIVEN)
    settings = replace(Settings(), **{**chosen, **given})
    table = table_of(settings.sizes, origin)
    if "micro_batch" not in said and machine.device == "cpu":
        asked = chosen.get("micro_batch") or shared_batch(table, settings.batch)
        settings = replace(settings, micro_batch=micro_batch_of(table, asked))
        if settings.micro_batch < asked:
            why["micro_batch"] = "more pictures at a time would take much memory"
    untold = {*BESIDES, *settings.without_effect, *(("divide",) if origin else ())}
    reasons = {
        field.name: why.get(field.name, PAPERS)
        for field in fields(Settings)
        if field.name in why or field.name not in untold
    }
    initialisation.refuse_other_layers(table, settings.initial)
    if settings.tune != "all" and origin is None:
        raise UserError(
            f"tune is '{settings.tune}', which leaves the other layers as they are; say whose they "
            f"are: --from WEIGHTS"
        )
    if named.reads_boards(settings.net):
        _refuse_other_boards(settings)
    if settings.cached:
        _refuse_uncachable(settings, origin, table)
    if settings.compiled and machine.device == "cpu":
        raise UserError("compiled is for a GPU, and this trains on a CPU; leave it out")
    if (settings.smoothing or settings.disturb) and tasks.named(settings.task).smoothed is None:
        raise UserError(
            f"smoothing and disturb are of pictures with one label each, and task {settings.task} "
            f"has others; leave them out"
        )
    if settings.class_weights == "balanced" and tasks.named(settings.task).balanced is None:
        raise UserError(f"task {settings.task} has no classes to weigh; leave class_weights out")
    task = tasks.named(settings.task)
    if settings.batch < task.least:
        raise UserError(
            f"a batch of {settings.batch} is too small for task {task.name}, which holds pictures "
            f"of a batch against each other, {task.least} at the least; take a larger --batch"
        )
    if settings.batch > len(train):
        raise UserError(
            f"a batch of {settings.batch} is more than the {len(train)} pictures there are"
        )
    return Choice(settings, reasons)


def refuse_without_effect(given: Mapping[str, Any], settings: Settings) -> None:
    """Raises UserError for a setting that was asked for and changes nothing beside the others."""
    wanted = {name: ("fall", falls) for name, falls in OF_FALLS.items()}
    wanted["each"] = "sampling", ("grouped",)
    for name in [name for name in given if name in settings.without_effect]:
        if name in wanted:
            by, values = wanted[name]
            raise UserError(
                f"{name} is for {by}={' or '.join(values)}, and {by} is {getattr(settings, by)}; "
                f"leave it out, or take --set {by}={values[0]}"
            )
        if name == "views":
            raise UserError("views are what --cached keeps; leave it out, or take --cached")
        without = " with --fc 0" if settings.fc == 0 else ""
        raise UserError(
            f"{name} changes nothing of {settings.net}{without}, which has no hidden FC layers "
            f"that drop values out; leave it out"
        )
    if settings.fall == "stairs" and settings.stairs[0] == 1:
        raise UserError(
            "fall is stairs, each of which is as high as the one before; say how they fall, "
            "--set 'stairs=[0.96, 8]'"
        )
    if settings.start and given.get("divide"):
        raise UserError(
            f"divide is true, and pixels are those of {settings.start}, as it was trained; leave "
            f"it out"
        )


def _refuse_other_boards(settings: Settings) -> None:
    """Raises UserError for settings by which pictures of boards would be other numbers."""
    for name, value in of_boards(settings.net).items():
        if getattr(settings, name) != value:
            said = scale_text(value) if name == "scale" else str(value).lower()
            raise UserError(
                f"{settings.net} reads boards of {settings.crop} x {settings.crop} as they are, "
                f"and {name} would change them; leave it out, or take --set {name}={said}"
            )


def _in_steps(
    train: Part, known: Mapping[str, Any], said: Mapping[str, Any]
) -> Iterator[tuple[str, Any, str]]:
    """(setting, value, reason) of a recipe that counts steps: its epochs; or else its steps.

    Without a ceiling of epochs there are as many as those steps take. With one that they do not
    fit in they are moved in proportion, so that the rate falls as often, and as far apart.
    """
    if known.get("fall") != "steps" or not known.get("at_steps"):
        return
    last = known["at_steps"][-1]
    an_epoch = max(1, len(train) // known.get("batch", Settings.batch))
    if "epochs" not in said:
        yield "epochs", min(-(-last // an_epoch), MANY), f"{last:,} steps of {an_epoch} an epoch"
    elif (there := known["epochs"] * an_epoch) < last:
        moved = tuple(max(i + 1, at * there // last) for i, at in enumerate(known["at_steps"]))
        yield "at_steps", moved, f"the recipe's {last:,} steps, made {there:,}"


def _refuse_uncachable(settings: Settings, origin: Origin | None, table: Table) -> None:
    """Raises UserError where what the trunk gives of a picture is not the same at every step."""
    if origin is None:
        raise UserError(
            "--cached keeps what the layers of trained weights give; say whose: --from WEIGHTS"
        )
    if trains_trunk(table, settings.tune):
        raise UserError(
            f"--cached keeps what stands before the FC layers as it is, and --tune {settings.tune} "
            f"trains of it; take --tune fc"
        )
    if settings.colour:
        raise UserError(
            f"--cached keeps views in their colours, and colour {settings.colour:g} shifts them at "
            f"every step; leave one of them out"
        )
