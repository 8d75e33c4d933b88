"""A published file, fetched: by HTTPS, into a folder, and given its name once its hash is right.

Proxies are those that the environment names (HTTPS_PROXY, NO_PROXY). What a cut connection leaves
is NAME.part, and is gone on with.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from socket import gaierror
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from verydeep.errors import UserError
from verydeep.files import names_to_disk, to_disk
from verydeep.runtime.progress import Progress
from verydeep.shell import command
from verydeep.weights.releases import CHUNK, Release, hashes_of

SECONDS = 60
"""Of silence, after which a connection is given up."""
MB = 10**6


def fetch(release: Release, folder: Path, progress: Progress) -> Path:
    """The release's file in a folder, fetched if it is not there; its hash is looked at always.

    Nobody else may write in the folder. Raises UserError, one line with the URL, where there is no
    connection, no such file, another file, or no room.
    """
    path = folder / release.name
    part = path.with_name(f"{path.name}.part")
    try:
        if not path.is_file():
            _fill(part, release, progress)
            _refuse_other(part, release)
            part.replace(path)
            names_to_disk(folder)
        else:
            _refuse_other(path, release)
    except OSError as error:  # the disk's; those of the network are told where they come up
        raise UserError(  # what came is gone on with: whether it is right, its hash tells
            f"cannot keep {release.url} in {folder}: {error.strerror}; XDG_CACHE_HOME names "
            f"another cache"
        ) from None
    return path


def _refuse_other(path: Path, release: Release) -> None:
    """Removes a file that is not what was published."""
    found = hashes_of(path)
    if not release.has(found):
        path.unlink()
        came = found.md5 if release.md5 else found.sha256[:8]
        raise _mistake(
            release,
            f"what came of {release.url} is not what {release.publisher} published: its hash is "
            f"{came}, not {release.hash_in_words}; it is thrown away",
        )


def _fill(part: Path, release: Release, progress: Progress) -> None:
    """Fetches a file, from where an earlier connection was cut."""
    done = part.stat().st_size if part.is_file() else 0
    answer = _opened(release, done)
    if answer is None:
        return
    most = release.megabytes * MB * 11 // 10 or MB
    with answer, part.open("ab" if answer.status == 206 else "wb") as file:
        done = file.tell()
        total = done + _length(answer, release)
        _refuse_little_room(part.parent, total - done, total, release)
        for chunk in _chunks(answer, release):
            done += len(chunk)
            if done > most:
                part.unlink()
                raise _cut(release, f"over {most:,} bytes came, more than the file has")
            file.write(chunk)
            if done <= total:  # else its length was not said
                progress.step(f"fetching {release.called}, bytes", done, total)
        to_disk(file)
    if done < total:
        raise _cut(release, f"the connection was cut after {done:,} of {total:,} bytes")


def _length(answer: HTTPResponse, release: Release) -> int:
    """Bytes that are to come, as the answer says; 0 where it does not."""
    said = answer.headers.get("Content-Length") or "0"
    if not (said.isascii() and said.isdecimal() and len(said) < 20):
        raise _cut(release, f"its Content-Length is {said[:60]!r}, which is no number of bytes")
    return int(said)


def _refuse_little_room(folder: Path, coming: int, total: int, release: Release) -> None:
    """Of weights, their file and ours are there at once."""
    needed = coming + (total if release.megabytes else 0)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise _mistake(
            release,
            f"{release.url} and what is made of it take {-(-needed // MB):,} MB in {folder}, where "
            f"{free // MB:,} are free; XDG_CACHE_HOME names another cache",
        )


def _opened(release: Release, done: int) -> HTTPResponse | None:
    """The answer to a request for what comes after so many bytes; None where nothing does."""
    request = Request(release.url, headers={"User-Agent": "verydeep"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        answer: HTTPResponse = build_opener(_NeverLess).open(request, timeout=SECONDS)
    except HTTPError as error:
        error.close()
        if error.code == 416 and done:  # all of it is there
            return None
        raise _cut(release, f"HTTP {error.code} {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:  # ValueError: where it leads is no URL
        raise _cut(release, _reason(error)) from None
    return answer


class _NeverLess(HTTPRedirectHandler):
    """Follows no redirection from HTTPS to anything less."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """The request to follow it with."""
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise URLError(f"it leads away from HTTPS, to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _chunks(answer: HTTPResponse, release: Release) -> Iterator[bytes]:
    try:
        while chunk := answer.read(CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _cut(release, _reason(error)) from None


def _reason(error: Exception) -> str:
    """What a connection failed of, in a few words."""
    inner = error.reason if isinstance(error, URLError) else error
    if isinstance(inner, gaierror):
        return f"there is no network here, or none that knows its host ({inner.strerror})"
    if isinstance(inner, TimeoutError):
        return f"no answer for {SECONDS} s"
    words = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return " ".join(str(words).split())


def _cut(release: Release, why: str) -> UserError:
    return _mistake(release, f"cannot fetch {release.url}: {why}")


def _mistake(release: Release, line: str) -> UserError:
    """A line that ends in what to do with a file that was fetched by other means."""
    words = ["FILE"] if release.megabytes else ["WEIGHTS", "--classes", "FILE"]
    needed = "" if release.megabytes else "; every published net needs it, to name its classes"
    by_hand = command("weights", "import", *words)
    return UserError(f"{line}{needed}; fetched by hand, it is taken by `{by_hand}`")
