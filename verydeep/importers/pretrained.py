"""Published weights by name: fetched once, made ours, and kept in the user's cache.

A name is taken wherever a weights file is. The published file is held against its hash, read in a
process of its own as any foreign file is, and removed once ours is written. Where VERYDEEP_OFFLINE
is set, or `offline` given, no connection is opened.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from verydeep.errors import UserError
from verydeep.files import folder_lock
from verydeep.importers.convert import convert
from verydeep.runtime.progress import Progress, Shown
from verydeep.safetensors_layout import LARGEST_OF_OURS, header
from verydeep.weights import paths
from verydeep.weights.download import fetch
from verydeep.weights.releases import CLASS_LIST, Release

if TYPE_CHECKING:
    import torch

    from verydeep.nets.network import Network
    from verydeep.nets.stack import Stack


def find(path: Path | str, progress: Progress | None = None, offline: bool = False) -> Path:
    """The weights file at a path, of a run's folder, or of a name, which is fetched the first time.

    What is fetched is told to `progress`; without one, to stderr. Raises UserError where there is
    no such file, and where a name's cannot be fetched.
    """
    release = paths.wanted(path)
    if release is not None and not paths.kept(release).is_file():
        if offline or os.environ.get("VERYDEEP_OFFLINE", "0") not in ("", "0"):
            _refuse_missing(release)
        _take(release, progress or Shown())
    elif release is not None and _says_another_scale(release):
        _put_right(release, progress or Shown())
    return paths.find(path)


def load(path: Path | str, device: str | torch.device = "cpu") -> Network:
    """Network of a weights file, of a run's folder or of a name, ready to test.

    It has its `.table`, `.classes` and `.pixels`. `device` is "cpu", "cuda" or "cuda:1". Raises
    UserError where there is no such file or device, or where the file is damaged: every tensor is
    held against its hash.
    """
    found = find(path)

    from verydeep.weights import file

    return file.load(found, device)


def load_any(path: Path | str, device: str | torch.device = "cpu") -> Network | Stack:
    """What `load` gives, or the stack that a weights file holds; raises as `load` does."""
    found = find(path)

    from verydeep.weights import stacks

    return stacks.load_any(found, device)


def _refuse_missing(release: Release) -> None:
    """Raises UserError where something of a release would have to be fetched."""
    missing = [r.url for r in (release, CLASS_LIST) if not (_folder(r) / r.name).is_file()]
    if missing:
        raise UserError(
            f"{release.called} is not in {paths.cache()}, and --offline, or VERYDEEP_OFFLINE, "
            f"forbids to fetch {' and '.join(missing)}"
        )


def _take(release: Release, progress: Progress) -> None:
    """Fetches a release and makes it ours; whoever asks for it meanwhile waits."""
    with _alone(release, progress):
        ours = paths.kept(release)
        if ours.is_file():  # of the process that was waited for
            return
        with _alone(CLASS_LIST, progress):
            classes = _fetched(CLASS_LIST, progress)
        theirs = _fetched(release, progress)
        progress.say(f"making {release.called} ours: {ours}")
        convert(theirs, ours, classes=classes)
        theirs.unlink()


def _says_another_scale(release: Release) -> bool:
    """Whether our file of a release has another S; a damaged one is refused when it is read."""
    try:
        said = header(paths.kept(release), LARGEST_OF_OURS) or {}
        info = json.loads(said["__metadata__"][paths.OURS])
        return release.scale is not None and tuple(info["pixels"]["scale"]) != release.scale
    except (KeyError, TypeError, ValueError):
        return False


def _put_right(release: Release, progress: Progress) -> None:
    """Has what an earlier version kept of a release say at which S it was trained."""
    from verydeep.weights import file

    ours = paths.kept(release)
    with _alone(release, progress):
        network, info = file.load(ours), file.read_info(ours)
        assert release.scale is not None
        network.pixels = replace(network.pixels, scale=release.scale)
        progress.say(f"{ours}: S put right, {release.scale[0]}-{release.scale[1]} in training")
        file.save(network, ours, info.provenance)


def _fetched(release: Release, progress: Progress) -> Path:
    folder = _folder(release)
    if not (folder / release.name).is_file():
        size = f"{release.megabytes} MB" if release.megabytes else "under 1 MB"
        progress.say(f"fetching {release.called} once: {size} from {release.url}")
    return fetch(release, folder, progress)


@contextmanager
def _alone(release: Release, progress: Progress) -> Iterator[None]:
    """Within, no other process fetches the same."""
    folder = _folder(release)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make {folder} to keep {release.url} in: {error.strerror}; XDG_CACHE_HOME "
            f"names another cache"
        ) from None
    with folder_lock(
        folder, lambda: progress.say(f"another process fetches {release.called}; waiting")
    ):
        yield


def _folder(release: Release) -> Path:
    return paths.cache() if release is CLASS_LIST else paths.kept(release).parent
