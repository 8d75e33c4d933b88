"""`verydeep train`: labelled pictures in, a trained and tested network out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verydeep.commands.completion import NETS, TASKS, TUNED, one_of
from verydeep.commands.options import Device, Json, Offline, Quiet, Seed, Threads

if TYPE_CHECKING:
    from verydeep.runtime.runtime import Runtime


def train(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA", help="Folder with a folder per class, table, archive or `drawn`."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="New folder for the run. [default: runs/NAME]")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Go on with this run; DATA if it was moved."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Settings of a recipe, or of a TOML file."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="What to train for: tag takes several labels a picture. [default: classify]",
            autocompletion=one_of(TASKS),
        ),
    ] = None,
    net: Annotated[
        str | None,
        typer.Option(
            help="A, A-LRN, B, B-shallow, C, D or E; A-BN with norms.",
            autocompletion=one_of(NETS),
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="WEIGHTS", help="Start from a run, a file or a name, such as vgg16."
        ),
    ] = None,
    tune: Annotated[
        str | None,
        typer.Option(
            help="What of --from to train: the last layer, fc, or all.",
            metavar="WHAT",
            autocompletion=one_of(TUNED),
        ),
    ] = None,
    cached: Annotated[
        bool,
        typer.Option("--cached", help="With --tune fc: run the convolutions once, on fixed views."),
    ] = False,
    width: Annotated[float | None, typer.Option(help="Share of the paper's channels.")] = None,
    crop: Annotated[int | None, typer.Option(help="Side of the training crop, in pixels.")] = None,
    fc: Annotated[
        int | None, typer.Option(help="Channels of the hidden FC layers; 0 for none.")
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(help="S, the smaller side before cropping: 256, or jittered: 256-512."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Pictures a step, over all processes together.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Most epochs.")] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate to begin with.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, such as dropout=0.3."),
    ] = None,
    save_every: Annotated[
        int | None, typer.Option(help="Steps between checkpoints. [default: about a minute]")
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="The same bits on 1, 2, 4, 8 ... processes.")
    ] = False,
    half_gradients: Annotated[
        bool, typer.Option("--half-gradients", help="Send gradients between processes as bf16.")
    ] = False,
    seed: Seed = None,
    split_seed: Annotated[
        int | None, typer.Option(help="Seed of the split of DATA into parts. [default: 0]")
    ] = None,
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
