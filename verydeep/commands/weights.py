"""`verydeep weights`: what a file of weights is, and other programs' files to and from ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.options import Json, Weights

app = typer.Typer(
    help="""Say what a file of weights is, and take over other programs' files.

    verydeep weights show vgg16-397923af.pth

    verydeep weights import vgg16-397923af.pth --out vgg16.safetensors
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="A file of weights, anybody's.")]
Prototxt = Annotated[
    Path | None, typer.Option(help="Caffe's description of the net, for a .caffemodel.")
]


@app.command()
def show(file: File, prototxt: Prototxt = None, json: Json = False) -> None:
    """Show what a file of weights is: its net, pixels, classes, hashes, and whose it is.

    verydeep weights show vgg16-397923af.pth

    verydeep weights show runs/photos-A --json

    Other programs' files are read in a process of their own, and nothing in them is run.
    """
    from verydeep.tasks.weights import about

    found = about(file, prototxt)
    if json:
        from json import dumps

        print(dumps(found, indent=1))
    else:
        print(answer(found))


@app.command("import")
def import_(
    file: File,
    out: Annotated[Path, typer.Option(help="Where to write our file, a .safetensors.")],
    prototxt: Prototxt = None,
    classes: Annotated[
        Path | None, typer.Option(help="List of class names, such as synset_words.txt.")
    ] = None,
    fold_bn: Annotated[
        bool, typer.Option("--fold-bn", help="Put each norm into the convolution before it.")
    ] = False,
) -> None:
    """Import another program's weights: a file of ours, for every verb to take.

    verydeep weights import vgg16-397923af.pth --out vgg16.safetensors

    verydeep weights import vgg16_bn.pth --out d.safetensors --fold-bn

    Nothing in the file is run. Pixels are those that its weights were trained on.
    """
    from verydeep.tasks.weights import import_weights

    done = import_weights(file, out, prototxt, classes, fold_bn)
    for note in done.notes:
        print(f"note: {note}")
    print(f"{out}: {done.words}")


@app.command()
def verify(file: File) -> None:
    """Verify a file of weights: ours by its hashes, others by those their publishers give.

    verydeep weights verify runs/photos-A

    verydeep weights verify vgg16-397923af.pth
    """
    from verydeep.tasks.weights import verified

    print(verified(file))


@app.command()
def export(
    weights: Weights,
    to: Annotated[str, typer.Option(help="torchvision, timm, caffe or keras.")],
    out: Annotated[Path, typer.Option(help="File to write; its suffix says the kind.")],
) -> None:
    """Export weights of ours for another program, with the same tensors.

    verydeep weights export runs/photos-A --to torchvision --out a.pth

    verydeep weights export d.safetensors --to timm --out d-timm.safetensors
    """
    from verydeep.tasks.weights import export_weights

    print(f"{out}: for {to}; {export_weights(weights, to, out)}")


def answer(found: dict[str, Any]) -> str:
    """What a file is, for the terminal."""
    from verydeep.report.tables import text_table

    release = found.get("release") or {}
    made = found.get("provenance", {}).get("imported", {})
    rows = [
        ["file", f"{found['file']}, {found['bytes']:,} bytes"],
        ["family", found["family"]],
        ["net", found.get("net_in_words") or f"none: {found['no_net']}"],
        ["pixels", found["pixels_in_words"]],
        ["classes", _classes(found["classes"])],
        ["imported", f"from {made.get('file')}, {made.get('family')}" if made else ""],
        ["release", f"{release['name']} of {release['publisher']}" if release else ""],
        ["measured", release.get("measured") or made.get("measured") or ""],
        *(["note", note] for note in found["notes"]),
        ["sha256", found["sha256"]],
        ["md5", found["md5"]],
    ]
    return text_table([row for row in rows if row[1]], left=2)


def _classes(names: list[str] | None) -> str:
    if names is None:
        return "not named"
    shown = ", ".join(names[:3])
    return f"{len(names):,}: {shown}{', ...' if len(names) > 3 else ''}"
