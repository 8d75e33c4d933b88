"""`verydeep pack`: any dataset into a few large files, as it is best read from disks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.options import Data, Json, Quiet, SplitSeed, Threads


def pack(
    data: Data,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="Folder to write the pack into.")
    ] = None,
    side: Annotated[
        int, typer.Option(help="Pixels that the smaller side has at most, JPEG quality 95.")
    ] = 512,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check every byte of a pack: pack --verify OUT")
    ] = False,
    split_seed: SplitSeed = None,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pack a dataset into tar files that every verb takes for DATA, and check them.

    verydeep pack photos/ packed/

    verydeep pack --verify packed/

    Run again after a kill, it goes on where it was.
    """
    from verydeep.commands.console import Console
    from verydeep.errors import UserError
    from verydeep.runtime.machine import cores

    if out is None and not verify:
        raise UserError("missing argument 'OUT', the folder to write; see `verydeep pack --help`")
    threads = cores() if threads is None else threads
    if threads < 1:
        raise UserError(f"{threads} threads; at least 1 is needed")
    console = Console(quiet)
    folder = Path(data) if out is None else out
    found: dict[str, Any] = {}
    if out is not None:
        console.say("verydeep pack: reading names")
        found = _packed(data, out, side, split_seed or 0, threads, console)
    if verify:
        from verydeep.packs.pack import verify as verified

        console.say(f"verydeep pack: verifying {folder}/")
        found = {**verified(folder, threads, console), "kept": found.get("kept"), "verified": True}
    if json:
        from json import dumps

        print(dumps(as_data(folder, found), indent=1))
    else:
        print(answer(folder, found))


def _packed(
    data: str, out: Path, side: int, split: int, threads: int, console: Any
) -> dict[str, Any]:
    """Packs, and gives the header of the index."""
    from verydeep.datasets import open_dataset, with_pictures
    from verydeep.packs.writer import pack as packed

    dataset = with_pictures(open_dataset(data, split))
    for note in dataset.notes:
        console.say(f"  {note}")
    return packed(dataset, out, side, threads, console)


def answer(folder: Path, found: dict[str, Any]) -> str:
    """What is in the pack, for the terminal."""
    from verydeep.packs.pack import counts_of

    about = as_data(folder, found)
    shards = f"{about['shards']} shard{'' if about['shards'] == 1 else 's'}"
    lines = [
        f"{folder}: {len(about['classes'])} classes; pictures: {counts_of(found)}",
        f"{shards}, {about['bytes'] / 1e6:,.1f} MB, smaller side {about['side']} at most",
    ]
    if about["kept"]:
        lines.append(f"shards that were there already: {about['kept']}")
    lines.append(f"left out: {len(about['left_out']) or 'none'}")
    lines += [f"  {line}" for line in about["left_out"]]
    if about["verified"]:
        lines.append("every byte is as it was written")
    return "\n".join(lines)


def as_data(folder: Path, found: dict[str, Any]) -> dict[str, Any]:
    """What is in the pack, as plain data."""
    shards = found["shards"]
    return {
        "where": str(folder),
        "classes": found["classes"],
        "counts": found["counts"],
        "fingerprint": found["fingerprint"],
        "side": found["about"].side,
        "shards": len(shards),
        "bytes": sum(shard["bytes"] for shard in shards),
        "kept": found.get("kept"),
        "left_out": [line for shard in shards for line in shard["left_out"]],
        "verified": found.get("verified", False),
    }
