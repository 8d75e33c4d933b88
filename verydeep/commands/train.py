"""`verydeep train`: labelled pictures in, a trained and tested network out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from verydeep.commands import train_options as option
from verydeep.commands.options import Device, Json, Offline, Quiet, Seed, Threads

if TYPE_CHECKING:
    from verydeep.runtime.runtime import Runtime


def train(
    data: option.Data = None,
    out: option.Out = None,
    resume: option.Resume = None,
    recipe: option.Recipe = None,
    task: option.Task = None,
    net: option.Net = None,
    start: option.Start = None,
    tune: option.Tune = None,
    cached: option.Cached = False,
    width: option.Width = None,
    crop: option.Crop = None,
    fc: option.Fc = None,
    scale: option.Scale = None,
    batch: option.Batch = None,
    epochs: option.Epochs = None,
    rate: option.Rate = None,
    set_: option.Set = None,
    save_every: option.SaveEvery = None,
    deterministic: option.Deterministic = False,
    half_gradients: option.HalfGradients = False,
    seed: Seed = None,
    split_seed: option.SplitSeed = None,
    device: Device = None,
    threads: Threads = None,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on labelled pictures, test it, and write a page about it.

    verydeep train photos/

    verydeep train photos/ --net D --epochs 40 --out runs/deeper

    verydeep train photos/ --from vgg16 --tune last

    verydeep train --resume runs/deeper

    What is not said is chosen from the data and the machine, and printed with its reason.
    """
    options = {
        "task": task, "net": net, "start": start, "tune": tune, "width": width, "crop": crop,
        "fc": fc, "scale": scale, "batch": batch, "epochs": epochs, "rate": rate, "seed": seed,
        "split": split_seed,
    }  # fmt: skip
    given: dict[str, Any] = {n: value for n, value in options.items() if value is not None}
    given |= ({"cached": True} if cached else {}) | parsed(set_ or [])
    _refuse(data, out, resume, recipe, given, save_every)

    from verydeep.commands.console import Console

    console = Console(quiet)
    console.say("verydeep train: looking at the data")
    if given.get("start"):
        from verydeep.weights import find

        # here, before PyTorch, if it is a name not yet fetched
        find(str(given["start"]), console, offline)
    from verydeep.errors import UserError
    from verydeep.runtime.distributed import join
    from verydeep.runtime.machine import Machine
    from verydeep.runtime.runtime import Runtime

    machine = Machine.this(device, threads)
    ranks = join(deterministic, half_gradients)
    console.quiet = quiet or not ranks.is_main
    runtime = Runtime(machine, ranks, console, save_every)
    try:
        done = _done(data, out, resume, recipe, given, runtime)
    except UserError as error:
        ranks.failed(str(error))
        raise
    ranks.close()
    if ranks.is_main:
        from verydeep.commands.train_answer import answer, staged_answer

        print(staged_answer(done, json) if isinstance(done, list) else answer(done, json))


def _refuse(
    data: str | None,
    out: Path | None,
    resume: Path | None,
    recipe: str | None,
    given: dict[str, Any],
    save_every: int | None,
) -> None:
    """Refuses words that do not go together, before anything heavy is imported."""
    from verydeep.errors import UserError
    from verydeep.shell import command

    if data is None and resume is None:
        raise UserError("give DATA to train on, or --resume FOLDER; see `verydeep train --help`")
    if resume is not None and (given or out or recipe is not None):
        anew = command("train", data or "DATA", "--from", resume)
        raise UserError(
            f"--resume goes on with a run as it is, to the end of its own schedule; take the other "
            f"settings away, or begin another run with its weights: {anew}"
        )
    if save_every is not None and save_every < 1:
        raise UserError(f"--save-every {save_every}; at least 1 step is needed")


def _done(
    data: str | None,
    out: Path | None,
    resume: Path | None,
    recipe: str | None,
    given: dict[str, Any],
    runtime: Runtime,
) -> Any:
    """The run, or the stages, that the words on the command line ask for."""
    from verydeep.errors import UserError
    from verydeep.report.page import write_page
    from verydeep.training import recipes
    from verydeep.verbs import stages, train

    ranks = runtime.ranks
    if ranks.world_size > 1 and not (out or resume):
        raise UserError("several processes need --out, so that a restart finds its run")
    if resume is not None and stages.is_staged(resume):
        return stages.resume_staged(resume, runtime, data=data, finish=write_page)
    if resume is not None:
        return train.resume(resume, runtime, data=data)
    chosen = None if recipe is None else recipes.recipe(recipe)
    if chosen is not None and chosen.after and "start" not in given:
        return stages.train_staged(str(data), chosen, out, runtime, finish=write_page, **given)
    return train.train(str(data), out, runtime, recipe=chosen, **given)


def parsed(settings: list[str]) -> dict[str, Any]:
    """Settings given as KEY=VALUE, their values read as TOML reads them."""
    from verydeep import schema
    from verydeep.errors import UserError

    given: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting} has no value; write --set {key}=VALUE")
        try:
            given[key] = schema.of_toml(f"value = {value}".encode())["value"]
        except ValueError:
            given[key] = value
    return given
