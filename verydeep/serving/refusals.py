"""Why a request is refused: a status, a line for whoever asked, and a cause to be counted."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil

from verydeep.errors import PictureError, PictureTooLargeError
from verydeep.serving.model import NoPictureError

LEFT = 499
"""The status that is counted where the client has left, and nobody is answered."""


class Refusal(Exception):  # noqa: N818 - an answer like others
    """A request that is not done, with the status that says so and the cause that is counted.

    `retry` are the seconds after which it may be asked again.
    """

    def __init__(self, status: int, detail: str, cause: str, retry: float | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.cause, self.retry = status, detail, cause, retry
        self.is_counted = False

    def counted(self) -> Refusal:
        """The same, once it is counted."""
        self.is_counted = True
        return self

    @property
    def headers(self) -> dict[str, str]:
        """What the answer has in its header beside what all have."""
        return {} if self.retry is None else {"retry-after": str(max(1, ceil(self.retry)))}

    @property
    def problem(self) -> dict[str, object]:
        """The same for programs (RFC 9457)."""
        return {"status": self.status, "title": title(self.status), "detail": self.detail}


def title(status: int) -> str:
    """What a status is called."""
    newer = {413: "Content Too Large", 422: "Unprocessable Content", LEFT: "Client Left"}
    return newer.get(status) or HTTPStatus(status).phrase


def of_picture(error: PictureError) -> Refusal:
    """The refusal of a picture that cannot be read."""
    detail = str(error)
    if detail.startswith("picture ("):  # "picture (12 bytes): ", of bytes that have no name
        detail = detail.partition(": ")[2]
    if isinstance(error, NoPictureError):
        return Refusal(415, f"no picture that is read here: {detail}", "no picture")
    if isinstance(error, PictureTooLargeError):
        return Refusal(413, detail.partition(", or set ")[0], "pixels")
    return Refusal(422, detail, "damaged")


def ending() -> Refusal:
    """The refusal of what comes when the server is about to end."""
    return Refusal(503, "the server is about to end", "ending", 5)


def left() -> Refusal:
    """That of a client that has left."""
    return Refusal(LEFT, "the client has left", "left")
