"""`verydeep weights`: what a file of weights is, and other programs' files to and from ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verydeep.commands.completion import FAMILIES, one_of
from verydeep.commands.options import Json, Offline, Overwrite, Quiet, Weights

if TYPE_CHECKING:
    from verydeep.commands.console import Console
    from verydeep.verbs.describe import Description
    from verydeep.verbs.weights import NamedRelease

app = typer.Typer(
    help="""Say what a file of weights is, and take over other programs' files.

    verydeep weights list

    verydeep weights show vgg16-397923af.pth

    verydeep weights import vgg16-397923af.pth --out vgg16.safetensors
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)
Named = Annotated[
    Path, typer.Argument(metavar="FILE", help="A file of weights, anybody's, or vgg16.")
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A file of weights, anybody's.")]
Prototxt = Annotated[
    Path | None, typer.Option(help="Caffe's description of the net, for a .caffemodel.")
]


@app.command("list", short_help="The published weights that have a name.")
def list_(json: Json = False) -> None:
    """List the published weights that have a name, which every verb takes and fetches once.

    verydeep weights list

    verydeep predict vgg16 cat.jpg
    """
    from verydeep.verbs.weights import named_releases

    found = named_releases()
    if json:
        from dataclasses import asdict
        from json import dumps

        print(dumps([asdict(each) for each in found], indent=1))
    else:
        print(releases_table(found))


@app.command(short_help="What a file of weights is, and whose.")
def show(
    file: Named, prototxt: Prototxt = None, offline: Offline = False, json: Json = False
) -> None:
    """Show what a file of weights is: its net, pixels, classes, hashes, and whose it is.

    verydeep weights show vgg16-397923af.pth

    verydeep weights show runs/photos-A --json

    Other programs' files are read in a process of their own, and nothing in them is run.
    """
    from verydeep.commands.console import Console
    from verydeep.verbs.describe import described
    from verydeep.weights import find

    found = described(find(file, Console(), offline), prototxt)
    if json:
        from json import dumps

        print(dumps(found.as_json(), indent=1))
    else:
        print(description_table(found))


@app.command("import", short_help="Another program's weights made ours.")
def import_(
    file: File,
    out: Annotated[Path, typer.Option(help="Where to write our file, a .safetensors.")],
    prototxt: Prototxt = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="List of class names, or the folder of class folders trained on."),
    ] = None,
    pixels: Annotated[
        str | None,
        typer.Option(help="Order, range, mean and std of the pixels, or caffe, torchvision, tf."),
    ] = None,
    scale: Annotated[
        str | None, typer.Option(help="S, the smaller side trained at, in pixels: 256 or 256-512.")
    ] = None,
    which: Annotated[
        str | None, typer.Option(help="Of several sets of weights the one to take: model_ema.")
    ] = None,
    fold_bn: Annotated[
        bool, typer.Option("--fold-bn", help="Put each norm into the convolution before it.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Import another program's weights: a file of ours, for every verb to take.

    verydeep weights import vgg16-397923af.pth --out vgg16.safetensors

    verydeep weights import vgg16_bn.pth --out d.safetensors --fold-bn

    verydeep weights import my.pth --pixels caffe --out my.safetensors

    Nothing in the file is run. What it does not say is guessed, and every guess is
    told in a note: pixels as its family has them, S from the crop, classes numbered.

    --pixels says what the weights were trained on, mean and std in the order of
    the channels: "BGR 0-255 mean 103.939,116.779,123.68" (which caffe is short for),
    "RGB 0-1 mean 0.485,0.456,0.406 std 0.229,0.224,0.225" (torchvision), 0-1, or
    -1-1 (tf).

    --classes takes a name to a line ("name", "0 name" or "name 0"), a CSV, JSON
    ({"cat": 0}, {"0": "cat"}, ["cat"]), or the folder that the net was trained
    on, whose folders are numbered as torchvision's ImageFolder sorts them.
    """
    from verydeep.verbs.weights import import_weights

    done = import_weights(
        file, out, prototxt, classes, fold_bn, pixels, scale, which, overwrite=overwrite
    )
    for note in done.notes:
        print(f"note: {note}")
    print(f"{out}: {done.words}")


@app.command(short_help="Whether a file of weights is what was published.")
def verify(file: Named, offline: Offline = False) -> None:
    """Verify a file of weights: ours by its hashes, others by those their publishers give.

    verydeep weights verify runs/photos-A

    verydeep weights verify vgg16-397923af.pth
    """
    from verydeep.commands.console import Console
    from verydeep.verbs.weights import verified
    from verydeep.weights import find

    print(verified(find(file, Console(), offline)))


@app.command(short_help="Our weights for another program.")
def export(
    weights: Weights,
    to: Annotated[
        str,
        typer.Option(
            help="torchvision, timm, caffe, matconvnet, keras, onnx, openvino or torch-export.",
            metavar="FAMILY",
            autocompletion=one_of(FAMILIES),
        ),
    ],
    out: Annotated[Path, typer.Option(help="File to write; its suffix says the kind.")],
    offline: Offline = False,
    int8: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Quantise, calibrated and tested with DATA; for onnx."),
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Export weights of ours for another program, with the same tensors.

    verydeep weights export runs/photos-A --to torchvision --out a.pth

    verydeep weights export runs/photos-A --to onnx --out a.onnx

    onnx, openvino (a .xml, for which that must be installed) and torch-export
    (a .pt2) are whole programs: RGB pictures of any size go in, as uint8
    in the order B, H, W, C, and scores and posteriors come out. caffe wants a
    .caffemodel, beside which goes a .prototxt, matconvnet a .mat, and keras a
    .weights.h5.

    With --int8 an onnx file holds 8-bit weights, and the errors of DATA's test
    part before and after are printed.
    """
    from verydeep.commands.console import Console
    from verydeep.weights import find

    console = Console(quiet)
    weights = find(weights, console, offline)
    if int8 is not None:
        print(_quantised(weights, to, out, int8, overwrite, console))
        return
    from verydeep.verbs.weights import export_weights

    print(f"{out}: for {to}; {export_weights(weights, to, out, overwrite)}")


def _quantised(
    weights: Path, to: str, out: Path, data: str, overwrite: bool, console: Console
) -> str:
    """What an int8 file costs in errors, written and tested."""
    from verydeep.errors import UserError
    from verydeep.files import refuse_taken

    if to != "onnx":
        raise UserError(f"--int8 makes a file of ONNX, not of {to}; give --to onnx")
    console.say("verydeep weights export: reading weights and names")
    from verydeep.runtime.machine import Machine
    from verydeep.runtime.runtime import Runtime
    from verydeep.verbs.quantise import export_int8

    refuse_taken(out, overwrite)
    done = export_int8(weights, data, out, Runtime(Machine.this("cpu"), progress=console))
    return f"{out}: int8, {out.stat().st_size:,} bytes\n{done}"


def description_table(found: Description) -> str:
    """What a file is, for the terminal."""
    from verydeep.errors import one_line
    from verydeep.report.tables import text_table

    release = found.release
    imported = (found.provenance or {}).get("imported", {})
    source = f"from {imported.get('file')}, {imported.get('family')}"
    measured = release.measured if release else imported.get("measured")
    has_scores = found.net is None or found.net.table.has_scores
    rows = [
        ["file", f"{found.file}, {found.bytes:,} bytes"],
        ["family", found.family],
        *_nets(found),
        [_whose(found), _classes(found.classes if has_scores else ())],
        ["imported", one_line(source) if imported else ""],
        ["release", f"{release.name} of {release.publisher}" if release else ""],
        ["measured", one_line(measured) if measured else ""],
        *(["note", note] for note in found.notes),
        ["sha256", found.hashes.sha256],
        ["md5", found.hashes.md5],
    ]
    return text_table([row for row in rows if row[1]], left=2)


def _nets(found: Description) -> list[list[str]]:
    """The rows of the net and its pixels, or of each network of a stack."""
    if not found.members:
        net = found.net.in_words if found.net else f"none: {found.no_net}"
        return [["net", net], ["pixels", found.pixels_in_words]]
    own = sum(member.own for member in found.members)
    rows = [["stack", f"the scores of {len(found.members)} summed, {own:,} parameters"]]
    before = ""
    for number, member in enumerate(found.members, 1):
        rows.append([f"member {number}", member.in_words])
        rows.append(["pixels", "" if member.pixels_in_words == before else member.pixels_in_words])
        before = member.pixels_in_words
    return rows


def releases_table(found: list[NamedRelease]) -> str:
    """Published weights, a line each, for the terminal."""
    from verydeep.nets.named import family_of
    from verydeep.report.tables import text_table
    from verydeep.weights.paths import cache

    rows = [["name", "net", "trained by", "parameters", "top-1", "top-5", "MB", "here"]]
    for each in found:
        r = each.release
        measured = [f"{r.top1:.2f}", f"{r.top5:.2f}"]
        here = "yes" if each.here else "-"
        counts = [f"{each.parameters:,}", *measured, f"{r.megabytes}", here]
        family = family_of(r.net)
        rows.append([r.called, family.title if family else r.net, r.trained_by, *counts])
    return (
        f"{text_table(rows, left=3)}\n\n"
        "top-1, top-5: right, in %, by one centre crop of ILSVRC-2012's validation\n"
        "pictures, as their publishers measured; -BN: with batch normalisation;\n"
        f"here: in {cache()}"
    )


def _whose(found: Description) -> str:
    """What a network has classes for: names of them, or of the places that it finds."""
    places = found.net.table.places if found.net else None
    return f"{places.kind} of" if places else "classes"


def _classes(names: tuple[str, ...] | None) -> str:
    if names is None:
        return "not named"
    if not names:
        return "none"
    shown = ", ".join(names[:3])
    return f"{len(names):,}: {shown}{', ...' if len(names) > 3 else ''}"
