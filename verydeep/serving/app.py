"""The application: a page, and an interface for programs, of one service.

A handler receives a body within limits, has the service answer for the pictures in it, and says
what came of it, as data or as a page. What is refused anywhere below is one answer, made here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from verydeep.nets.network import TOP
from verydeep.report.units_file import KINDS
from verydeep.serving.answers import as_data, map_as_data, units_as_data
from verydeep.serving.form import FormError, files_of, is_form
from verydeep.serving.guard import PROBLEM, Guard
from verydeep.serving.maps import METHODS, png
from verydeep.serving.metrics import TYPE
from verydeep.serving.page import Page
from verydeep.serving.receiving import (
    TOGETHER,
    Held,
    drained,
    received,
    refuse_declared,
    unless_ending,
    unless_left,
)
from verydeep.serving.refusals import LEFT, Refusal, title
from verydeep.serving.service import Mapped, Service

MOST_DIGITS = 6
"""Digits of a number that is asked for."""
FILES = {
    "/style.css": ("style.css", "text/css"),
    "/script.js": ("script.js", "text/javascript"),
    "/units.js": ("units.js", "text/javascript"),
}
"""What the page is made of beside itself, by its path: its file, and its type."""


def application(service: Service, names: tuple[str, ...] = ()) -> ASGIApp:
    """The application of a service; `names` are those that the server is known by."""
    handlers = _Handlers(service)
    routes = [
        Route("/", handlers.index, methods=["GET", "POST"]),
        Route("/predict", handlers.predict, methods=["POST"]),
        Route("/explain", handlers.explain, methods=["POST"]),
        Route("/units", handlers.units, methods=["POST"]),
        Route("/patches", handlers.patches),
        Route("/health", handlers.health),
        Route("/ready", handlers.ready),
        Route("/metrics", handlers.metrics),
        Route("/openapi.json", handlers.description),
        *(Route(path, handlers.file) for path in FILES),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            Refusal: handlers.refused,
            HTTPException: handlers.not_here,
            Exception: handlers.fault,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, service.metrics, {route.path for route in routes}, names)


class _Handlers:
    """What answers at each path."""

    def __init__(self, service: Service) -> None:
        self.service, self.version = service, version("verydeep")
        self.page = Page(service)
        self.held = Held(TOGETHER * service.limits.bytes)
        home = files("verydeep.serving").joinpath("browser")
        self.files = {path: home.joinpath(name).read_bytes() for path, (name, _) in FILES.items()}
        self.interface = _described(
            home.joinpath("openapi.json").read_text("utf-8"), self.version, service
        )

    # --- for people

    async def index(self, request: Request) -> Response:
        """The page; with the answer to the picture of its form, where there is no JavaScript."""
        if request.method != "POST":
            return _html(self.page.empty())
        try:
            async with self._pictures(request) as pictures:
                (picture,) = _one(pictures)
                with self.service.places(self.service.predicting):
                    asking = self.service.predict([picture], TOP)
                    (answer,) = await unless_left(request.receive, asking)
                if isinstance(answer, Refusal):
                    raise answer
                mapped = await self._map_for_page(request, picture)
        except Refusal as refusal:
            self._count(refusal)
            return _html(self.page.refused(refusal), refusal.status, refusal.headers)
        return _html(self.page.answered(answer, mapped))

    async def _map_for_page(self, request: Request, picture: bytes) -> Mapped | None:
        """The map of the first class; none where there is no such, or too much to do."""
        if not self.service.can_map:
            return None
        try:
            with self.service.places(self.service.explaining):
                asking = self.service.explain(picture, next(iter(METHODS)), None)
                return await unless_left(request.receive, asking)
        except Refusal as refusal:
            if refusal.status == LEFT:
                raise
            return None

    async def file(self, request: Request) -> Response:
        """The style, or the script, of the page."""
        path = request.url.path
        return Response(self.files[path], media_type=FILES[path][1])

    # --- for programs

    async def predict(self, request: Request) -> Response:
        """What each picture of a request shows."""
        top = _number(request.query_params.get("top"), "top is a number of classes, from 1", 1)
        async with self._pictures(request) as pictures:
            with self.service.places(self.service.predicting, len(pictures)):
                asking = self.service.predict(pictures, top)
                found = await unless_left(request.receive, asking)
        if all(isinstance(one, Refusal) for one in found):
            raise next(one for one in found if isinstance(one, Refusal))
        return JSONResponse(as_data(found, self.service.model.identity, self.version))

    async def explain(self, request: Request) -> Response:
        """A map of what the net sees in the picture of a request."""
        asked = request.query_params
        method, name = asked.get("method", next(iter(METHODS))), asked.get("class")
        async with self._pictures(request) as pictures:
            (picture,) = _one(pictures)
            with self.service.places(self.service.explaining):
                asking = self.service.explain(picture, method, name)
                found = await unless_left(request.receive, asking)
        model = self.service.model
        made = model.classes[found.label], found.seen, model.identity, self.version
        return JSONResponse(map_as_data(found.map, method, *made))

    async def units(self, request: Request) -> Response:
        """Maps of the units of a layer in the picture of a request, those that are known."""
        layer = request.query_params.get("layer")
        async with self._pictures(request) as pictures:
            (picture,) = _one(pictures)
            with self.service.places(self.service.looking):
                asking = self.service.look(picture, layer)
                found = await unless_left(request.receive, asking)
        made = found.seen, self.service.model.identity, self.version
        return JSONResponse(units_as_data(found.maps, found.row, str(layer), *made))

    async def patches(self, request: Request) -> Response:
        """The best patches of a unit, or their projections, as a picture."""
        asked = request.query_params
        number = _number(asked.get("unit"), "unit is the number of one, from 0", 0)
        plates = dict(
            zip(KINDS, self.service.known(asked.get("layer"), number).plates, strict=True)
        )
        kind = asked.get("kind", KINDS[0])
        if kind not in plates:
            raise Refusal(400, f"no kind of that name; there are {', '.join(KINDS)}", "query")
        return Response(png(plates[kind]), media_type="image/png")

    async def health(self, request: Request) -> Response:
        """That the process lives."""
        return JSONResponse({"status": "alive"})

    async def ready(self, request: Request) -> Response:
        """Whether pictures are taken."""
        is_ready = self.service.is_ready
        return JSONResponse({"status": "ready" if is_ready else "ending"}, 200 if is_ready else 503)

    async def metrics(self, request: Request) -> Response:
        """What was done so far, for Prometheus."""
        text = self.service.metrics.text(self.service.inside, self.service.is_ready)
        return Response(text, headers={"content-type": TYPE})

    async def description(self, request: Request) -> Response:
        """The interface, described by OpenAPI."""
        return JSONResponse(self.interface)

    # --- what goes wrong

    async def refused(self, request: Request, error: Any) -> Response:
        """The answer to what is refused."""
        self._count(error)
        return _problem(error.problem, error.headers)

    async def not_here(self, request: Request, error: Any) -> Response:
        """The answer to a path or a method that there is not."""
        said = {404: "there is nothing here", 405: "not with this method"}
        detail = said.get(error.status_code, "not so")
        problem = {"status": error.status_code, "title": title(error.status_code), "detail": detail}
        return _problem(problem, error.headers)

    async def fault(self, request: Request, error: Any) -> Response:
        """The answer where a fault is ours; what it was is told on stderr."""
        problem = {"status": 500, "title": title(500), "detail": "a fault of the server's"}
        return _problem(problem)

    def _count(self, refusal: Refusal) -> None:
        """Counts a refusal, unless it was when it came about."""
        if not refusal.is_counted:
            self.service.metrics.refused(refusal.cause)

    # --- what comes in

    @asynccontextmanager
    async def _pictures(self, request: Request) -> AsyncIterator[list[bytes]]:
        """The bytes of the pictures in a request, of its body or of the files in its form."""
        limits, headers = self.service.limits, request.headers
        with self.held.body() as body:
            try:
                refuse_declared(headers, limits)
                self.service.refuse_more()
                receiving = received(request.receive, body, self.held, limits)
                await unless_ending(self.service.ending, receiving)
            except Refusal as refusal:
                if refusal.status in (413, 503) and "expect" not in headers:
                    await drained(request.receive)
                raise
            yield _pictures_of(headers.get("content-type", ""), bytes(body))


def _pictures_of(content_type: str, body: bytes) -> list[bytes]:
    if not is_form(content_type):
        found = [body] if body else []
    else:
        try:
            found = files_of(content_type, body)
        except FormError as error:
            raise Refusal(400, str(error), "form") from None
    if not found:
        raise Refusal(400, "no picture came; send one as the body, or in a form", "no picture")
    return found


def _one(pictures: list[bytes]) -> list[bytes]:
    if len(pictures) > 1:
        raise Refusal(400, f"{len(pictures)} pictures came, and one is taken here", "form")
    return pictures


def _number(said: str | None, words: str, least: int) -> int | None:
    """The number that is asked for, from the least one on; Refusal in these words for another."""
    if said is None:
        return None
    is_number = said.isascii() and said.isdecimal() and len(said) <= MOST_DIGITS
    if not is_number or int(said) < least:
        raise Refusal(400, words, "query")
    return int(said)


def _described(text: str, version: str, service: Service) -> Any:
    """The description, with this version, and the methods and layers that there are."""
    described = json.loads(text)
    described["info"]["version"] = version
    schemas = described["components"]["schemas"]
    schemas["Method"]["enum"] = list(METHODS)
    if service.units:
        schemas["Layer"]["enum"] = list(service.units.rows)
    return described


def _problem(problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(problem, problem["status"], headers, media_type=PROBLEM)


def _html(page: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(page, status, headers, media_type="text/html")
