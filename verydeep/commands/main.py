"""`verydeep`: finds the verb, and turns a user's mistake into one line and exit code 2.

Nothing heavy is imported here or by the verbs' files before a verb runs, so that help and wrong
options are answered at once.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from verydeep.commands import (
    compare,
    dream,
    evaluate,
    explain,
    features,
    look,
    nets,
    pack,
    predict,
    serve,
    similar,
    study,
    tour,
    train,
    transfer,
    verify,
    weights,
)
from verydeep.commands.console import harmless, say_fault
from verydeep.commands.hints import hint, verb_hint
from verydeep.errors import Stopped, UserError, escaped
from verydeep.shell import called

EPILOGUE = "`verydeep VERB --help` explains a verb. DATA is a folder of pictures, or `drawn`."

app = typer.Typer(
    help="""Very deep ConvNets (VGG) on your own pictures: train, test, explain.

    verydeep tour              the whole story on drawn pictures, in minutes

    verydeep train photos/     a folder with one folder of pictures per class
    """,
    epilog=EPILOGUE,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS: dict[Callable[..., None], str] = {
    tour.tour: "The whole story on drawn pictures, in minutes.",
    look.look: "What is in a dataset, and a sheet of its pictures.",
    pack.pack: "A dataset into tar files that every verb reads.",
    nets.nets: "The networks of Table 1, layer by layer.",
    train.train: "Pictures in, a trained and tested network out.",
    evaluate.evaluate: "Errors of a network on labelled pictures.",
    compare.compare: "Whether one test is better than another.",
    compare.fuse: "Several tests averaged, of nets or of protocols.",
    predict.predict: "What these pictures show.",
    explain.explain: "Where in these pictures it is seen.",
    dream.dream: "Pictures of what a network sees: classes, units, dreams.",
    dream.style: "One picture in the style of another.",
    serve.serve: "A page to drop pictures on, and an interface for programs.",
    transfer.transfer: "A classifier by another network's features.",
    features.features: "Descriptors of pictures, for whatever is to be learnt.",
    similar.similar: "The described pictures most like these.",
    verify.verify: "Whether two pictures are of the same identity.",
    study.study: "The paper's findings, tested again.",
}
"""The verbs in the order of a newcomer's steps, and what each is listed with."""
for verb, line in VERBS.items():
    app.command(short_help=line)(verb)
app.add_typer(weights.app, name="weights", short_help="Other programs' weights, to and from ours.")

INTERRUPTED = 130
"""The exit code of what was interrupted, as shells have it."""
UsageError: Any = typer.BadParameter.__mro__[1]
"""What is raised for a wrong option or argument; typer has no public name for it."""


def _print_version(asked: bool) -> bool:
    if asked:
        from importlib.metadata import version

        print(version("verydeep"))
        raise typer.Exit
    return asked


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    """Options before the verb."""


def main() -> None:
    """The command `verydeep`. Leaves with 0 when done, 2 for a mistake, 130 when interrupted."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    sys.excepthook = say_fault
    with harmless():
        try:
            code = _run(debug)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of our answers has left, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
    sys.exit(code)


def _run(debug: bool) -> int:
    """Runs the verb that the command line names, and gives the exit code."""
    try:
        code = int(app(prog_name=called(), standalone_mode=False) or 0)
        if code == INTERRUPTED:  # typer's own answer, without a word
            raise KeyboardInterrupt
        return code
    except UserError as error:
        return _mistake(str(error), debug, error)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # no words at all; no public name either
            print(error.format_message())
            return 0
        return _mistake(_of_usage(error), debug, error)
    except Stopped as stopped:
        print(f"verydeep: {stopped}", file=sys.stderr)
        return INTERRUPTED
    except (KeyboardInterrupt, typer.Abort):
        print("\nverydeep: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (MemoryError, RuntimeError) as error:
        if not _is_of_memory(error):
            raise
        line = "memory ran out, of which others may take what was free; close other programs"
        return _mistake(f"{line}, or take smaller sizes", debug, error)


def _of_usage(error: Any) -> str:
    """What was wrong with the words of a command, and what would do."""
    context = getattr(error, "ctx", None)
    verb = context.command_path if context else called()
    verbs = {
        name for name in sys.argv[1:2] if name in vars(typer.main.get_command(app))["commands"]
    }
    if not context and verbs:
        verb += f" {verbs.pop()}"
    if context and hasattr(error, "possibilities"):  # no such option
        options = [name for p in context.command.params for name in p.opts if name[:2] == "--"]
        arguments = [str(p.metavar) for p in context.command.params if p.opts == [p.name]]
        return f"{hint(error.option_name, options, arguments)}; see `{verb} --help`"
    message = error.format_message().rstrip(".")
    unknown = re.match("No such command '(.*?)'", message)
    if unknown and context:
        return f"{verb_hint(unknown[1], vars(context.command)['commands'])}; see `{verb} --help`"
    return f"{message[0].lower()}{message[1:]}; see `{verb} --help`"


def _is_of_memory(error: Exception) -> bool:
    """Whether an error is of memory, by PyTorch's words for it on a CPU or its kind on a GPU."""
    named = type(error).__name__ in ("MemoryError", "OutOfMemoryError")
    return named or "can't allocate memory" in str(error)


def _mistake(line: str, debug: bool, error: BaseException) -> int:
    if debug:
        raise error
    print(f"verydeep: {escaped(line)}", file=sys.stderr)
    return 2
