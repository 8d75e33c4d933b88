"""The interface over its socket: what is answered, and each limit with its status.

Statuses are those of RFC 9110 for what is asked; answers are held against the interface's own
description, which is held against OpenAPI's.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from PIL import Image

from tests.localisation.test_dense import classifier, net_of_boxes
from tests.localisation.test_predictor import always
from tests.pictures.test_reading import HUGE, REFUSED
from tests.serving.at_work import (
    CLASSES,
    LIMITS,
    Running,
    form_of,
    model_of,
    net,
    picture,
    running,
    wait_for,
)
from verydeep.insight.score_maps import score_maps
from verydeep.insight.signals import frozen
from verydeep.nets.network import Network
from verydeep.serving.maps import METHODS, Method
from verydeep.serving.receiving import Limits
from verydeep.verbs.explain import explain
from verydeep.weights import hash_of, load, save


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    with running(model_of(net(), folder)) as found:
        yield found


def fits(server: Running, path: str, status: int, data: Any) -> None:
    """Holds an answer against what the description says of a path and a status."""
    described = server.ask("/openapi.json").data
    method = next(iter(described["paths"][path].values()))
    answer = method["responses"][str(status)]
    if "$ref" in answer:
        answer = described["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    (content,) = answer["content"].values()
    Draft202012Validator({**content["schema"], "components": described["components"]}).validate(
        data
    )


def refused(server: Running, path: str, status: int, **request: Any) -> str:
    """What is said to a request that is refused with a status."""
    reply = server.ask(path, **request)
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.data["status"] == status
    fits(server, path, status, reply.data)
    return str(reply.data["detail"])


# --- answers


def test_a_picture_has_its_classes_and_what_they_were_told_by(
    server: Running, folder: Path
) -> None:
    network = load(folder / "net.safetensors")
    reply = server.ask("/predict", picture(), content_type="image/png")
    assert reply.status == 200
    (found,) = reply.data["pictures"]
    assert found["size"] == {"width": 80, "height": 60}
    expected = network.predict(picture())
    assert [one["class"] for one in found["top"]] == [name for name, _ in expected]
    told = [one["posterior"] for one in found["top"]]
    np.testing.assert_allclose(told, [p for _, p in expected], atol=1e-5)
    assert reply.data["sha256"] == {"weights": hash_of(network)}
    assert reply.data["protocol"] == {"name": "dense", "scales": [40]}
    fits(server, "/predict", 200, reply.data)


def test_a_form_of_several_has_an_answer_or_a_reason_for_each(server: Running) -> None:
    each = [picture(seed=1), b"none", picture(90, 40, seed=2), REFUSED["png, cut"][0]]
    reply = server.form("/predict?top=1", *each)
    first, none, other, cut = reply.data["pictures"]
    alone = [server.ask("/predict?top=1", p).data["pictures"][0] for p in (each[0], each[2])]
    for one, by_itself in zip((first, other), alone, strict=True):
        assert one["top"][0]["class"] == by_itself["top"][0]["class"]
        assert one["top"][0]["posterior"] == pytest.approx(
            by_itself["top"][0]["posterior"], abs=1e-6
        )
    assert [none["error"]["status"], cut["error"]["status"]] == [415, 422]
    fits(server, "/predict", 200, reply.data)


def test_answers_are_the_same_however_many_ask_at_once(server: Running) -> None:
    pictures = [picture(60, 80, seed) for seed in range(8)] + [picture(80, 60, 1)] * 4
    alone = [server.ask("/predict", each).data["pictures"][0]["top"] for each in pictures]
    together: list[Any] = [None] * len(pictures)

    def ask(i: int) -> None:
        together[i] = server.ask("/predict", pictures[i]).data["pictures"][0]["top"]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        assert [each["class"] for each in one] == [each["class"] for each in other]
        first, second = ([each["posterior"] for each in answer] for answer in (one, other))
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_a_map_is_that_of_the_report_on_the_scale_that_is_told(
    server: Running, folder: Path
) -> None:
    network = load(folder / "net.safetensors")
    reply = server.ask("/explain?class=zebra", picture(seed=4))
    fits(server, "/explain", 200, reply.data)
    (expected,) = score_maps(network, network.pixels.read(picture(seed=4), 40), [3])
    grey = np.asarray(Image.open(BytesIO(base64.b64decode(reply.data["map"]["png"]))))
    assert (reply.data["class"], reply.data["least"]) == ("zebra", 0)
    assert reply.data["largest"] == pytest.approx(float(expected.max()), abs=1e-6)
    told = grey / 255 * reply.data["largest"]
    np.testing.assert_allclose(told, expected, atol=reply.data["largest"] / 250)
    first = server.ask("/predict?top=1", picture(seed=4)).data["pictures"][0]["top"][0]
    assert server.ask("/explain", picture(seed=4)).data["class"] == first["class"]


@pytest.mark.parametrize("method", ["gradcam", "gradient"])
def test_a_map_by_gradients_is_that_of_explain(server: Running, folder: Path, method: str) -> None:
    """Which is held against captum's in tests/insight."""
    reply = server.ask(f"/explain?class=ant&method={method}", picture(seed=4))
    fits(server, "/explain", 200, reply.data)
    Path("asked.png").write_bytes(picture(seed=4))
    found = explain(folder / "net.safetensors", "asked.png", method, class_name="ant")
    expected = found.map(method).values
    grey = np.asarray(Image.open(BytesIO(base64.b64decode(reply.data["map"]["png"]))))
    assert reply.data["largest"] == pytest.approx(float(expected.max()), rel=1e-4)
    told = grey / 255 * reply.data["largest"]
    np.testing.assert_allclose(told, expected, atol=reply.data["largest"] / 250)


def test_a_method_more_is_described_and_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose map is the brightness of the picture's red, in shares of 255."""
    brightness = Method(
        "Red", "red", lambda network, image, label: image[:, :, 0] / np.float32(255)
    )
    monkeypatch.setitem(METHODS, "red", brightness)
    with running(model_of(net(), folder)) as server:
        reply = server.ask("/explain?method=red&class=ant", picture())
        fits(server, "/explain", 200, reply.data)
        assert (reply.data["method"], reply.data["unit"]) == ("red", "red")
        assert "&quot;Red&quot;" in server.ask("/").body.decode()


def test_the_description_is_one_of_openapi(server: Running) -> None:
    described = server.ask("/openapi.json").data
    validate(described)
    assert {*described["paths"]} == {
        "/predict", "/explain", "/units", "/patches", "/health", "/ready", "/metrics",
        "/openapi.json",
    }  # fmt: skip


def test_health_and_readiness_are_told(server: Running) -> None:
    for path in ("/health", "/ready"):
        reply = server.ask(path)
        fits(server, path, reply.status, reply.data)
        assert reply.status == 200


def test_what_was_done_is_counted(server: Running) -> None:
    before = server.ask("/metrics").body.decode()
    server.ask("/predict", picture())
    server.ask("/predict", b"none")
    server.ask("/nowhere/at/all")
    after = server.ask("/metrics").body.decode()

    def count(text: str, line: str) -> int:
        return next((int(x.split()[-1]) for x in text.split("\n") if x.startswith(line)), 0)

    for line in (
        'verydeep_requests_total{path="/predict",status="200"}',
        'verydeep_requests_total{path="/predict",status="415"}',
        'verydeep_requests_total{path="other",status="404"}',
        'verydeep_refusals_total{cause="no picture"}',
        'verydeep_request_seconds_count{path="other"}',
    ):
        assert count(after, line) == count(before, line) + 1, line
    assert 'verydeep_batch_size_count{work="predict"}' in after
    assert "nowhere" not in after


def test_points_have_their_places_and_no_maps(tmp_path: Path) -> None:
    model = model_of(always([0.5, 0.5, 0.25, 1.0], "points", ("<i>eye", "nose")), tmp_path)
    with running(model) as server:
        reply = server.ask("/predict", picture(40, 40))
        fits(server, "/predict", 200, reply.data)
        assert reply.data["pictures"][0]["points"][0] == {"name": "<i>eye", "x": 20.0, "y": 20.0}
        assert "no maps" in refused(server, "/explain", 404, body=picture())
        page = server.form("/", picture(40, 40)).body.decode()
        assert "&lt;i&gt;eye" in page
        assert '<circle class="point" cx="20.0" cy="20.0"' in page


# --- limits, each with its status


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b"", "no picture came"),
        (413, b"x" * (LIMITS.bytes + 1), "at most 0.1 MB"),
        (
            413,
            HUGE["png"],
            "3600 Mpx (60000 x 60000) where at most 50 Mpx are read; save it smaller",
        ),
        (413, picture(8, 80), "too narrow"),
        (415, b"what a picture", "looks like text"),
        (422, REFUSED["jpeg, cut"][0], "truncated after 1000 bytes"),
    ],
)
def test_a_limit_has_its_status(
    server: Running, path: str, status: int, body: bytes, said: str
) -> None:
    assert said in refused(server, path, status, body=body)


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_pictures_are_refused_and_nothing_falls(server: Running, name: str) -> None:
    status = server.ask("/predict", REFUSED[name][0]).status
    assert status in (400, 413, 415, 422)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/predict?top=0", "top is a number"),
        ("/predict?top=many", "top is a number"),
        ("/predict?top=%D9%A1", "top is a number"),
        ("/predict?top=99999999", "top is a number"),
        ("/explain?class=zebro", "there is zebra"),
        ("/explain?method=cam", "there are scores, gradcam, gradient"),
        ("/explain?class=%00", "no class of that name"),
    ],
)
def test_what_is_asked_for_and_is_none_is_told(server: Running, path: str, said: str) -> None:
    reply = server.ask(path, picture())
    assert (reply.status, said in reply.data["detail"]) == (400, True), reply


def test_a_form_has_its_limits_too(server: Running) -> None:
    many = server.form("/predict", *[b"x"] * (LIMITS.pictures + 1))
    assert (many.status, "at most 16" in many.data["detail"]) == (413, True)
    assert server.form("/predict").status == 400
    assert server.form("/explain", picture(), picture()).status == 400
    body, header = form_of(picture())
    assert server.ask("/predict", body[:-9], **header).status == 400
    assert server.form("/predict", b"none", b"none").status == 415


def test_a_body_that_does_not_tell_its_size_is_measured(server: Running) -> None:
    piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n"
    )
    reply = server.raw(head + 8 * piece + b"0\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 413 ")
    whole = picture()
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(whole), whole)
    assert server.raw(head + sent).startswith(b"HTTP/1.1 200 ")


def test_bodies_of_all_requests_together_have_a_limit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verydeep.serving.app.TOGETHER", 0)
    with running(model_of(net(), folder), Limits(1000, 5.0, 4)) as server:
        assert "too many bytes" in refused(server, "/predict", 503, body=b"x" * 800)


def test_a_body_that_does_not_come_in_time_is_408(folder: Path) -> None:
    with running(model_of(net(), folder), Limits(100_000, 0.3, 4)) as server:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nabc"
        reply = server.raw(head)
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in reply
        assert b"after 0.3 seconds" in reply


def _rest(connection: socket.socket) -> bytes:
    """What still comes of a connection until it is closed; nothing where it is cut."""
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def test_a_connection_whose_header_does_not_come_is_cut(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verydeep.serving.server.HEADER_SECONDS", 1.0)
    with running(model_of(net(), folder)) as server:
        assert server.raw(b"") == b""
        assert server.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-") == b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as kept:
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reply = kept.recv(65536)
            while b"alive" not in reply:
                reply += kept.recv(65536) or pytest.fail("cut too early")
            kept.sendall(b"GET /he")
            assert _rest(kept) == b""


def test_a_client_that_does_not_take_its_answers_is_cut(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verydeep.serving.server.TAKING_SECONDS", 0.5)
    with running(model_of(net(), folder)) as server, socket.socket() as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.connect(("127.0.0.1", server.port))
        greedy.settimeout(20)
        asked = b"GET /script.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500_000
        with pytest.raises(ConnectionError):
            greedy.sendall(asked)  # until no more is taken, and then until it is cut
        assert server.ask("/health").status == 200


def test_more_requests_than_so_many_at_once_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verydeep.serving.guard.OPEN", 2)
    with running(model_of(net(), folder)) as server:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nabc"
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        for connection in slow:
            connection.sendall(head)
        wait_for(lambda: server.ask("/health").status == 503)
        reply = server.ask("/health")
        assert (reply.headers["retry-after"], "2 requests" in reply.data["detail"]) == ("1", True)
        for connection in slow:
            connection.close()
        wait_for(lambda: server.ask("/health").status == 200)
        assert 'refusals_total{cause="requests"}' in server.ask("/metrics").body.decode()


def test_the_network_of_maps_is_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def noted(network: Network) -> Network:
        made.append(network)
        return frozen(network)

    for room in ("service", "maps"):
        monkeypatch.setattr(f"verydeep.serving.{room}.frozen", noted, raising=False)
    with running(model_of(net(), folder)) as server:
        for method in ("gradcam", "gradient", "scores"):
            assert server.ask(f"/explain?class=ant&method={method}", picture()).status == 200
    assert len(made) == 1


# --- whose requests are taken


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("127.0.0.1:8000", 200),
        ("192.168.1.7", 200),
        ("[::1]:8000", 200),
        ("pictures.example.org", 421),
        ("127.0.0.1.example.org", 421),
        ("localhost.example.org:8000", 421),
        ("a@127.0.0.1", 421),
        ("localhost/x", 421),
        ("[::1", 421),
        ("localhost:port", 421),
        ("", 421),
    ],
)
def test_other_names_are_refused(server: Running, host: str, status: int) -> None:
    assert server.ask("/health", Host=host).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "http://localhost:7"}, 200),
        ({"Origin": "http://localhost:8"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "http://evil.example", "Sec_Fetch_Site": "same-origin"}, 200),
    ],
)
def test_forms_of_other_pages_are_refused(
    server: Running, headers: dict[str, str], status: int
) -> None:
    assert server.form("/predict", picture(), Host="localhost:7", **headers).status == status


def test_no_answer_lets_other_pages_read_it(server: Running) -> None:
    replies = [
        server.ask("/", Origin="http://evil.example"),
        server.ask("/predict", picture()),
        server.ask("/predict", b"none"),
        server.ask("/nothing"),
        server.ask("/health", Host="evil.example"),
        server.ask("/predict", method="OPTIONS", Origin="http://evil.example"),
    ]
    for reply in replies:
        assert not [name for name in reply.headers if name.startswith("access-control")]
        assert reply.headers["content-security-policy"].startswith("default-src 'self'")
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "server" not in reply.headers


# --- the page


def test_the_page_answers_a_form_without_any_script(server: Running) -> None:
    assert b"<form" in server.ask("/").body
    reply = server.form("/", picture(seed=4))
    page = reply.body.decode()
    best = server.ask("/predict", picture(seed=4)).data["pictures"][0]["top"]
    for one in best:
        assert f"{100 * one['posterior']:.1f} %" in page
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert page.count('src="data:image/png;base64,') == 2
    assert "<b>owl" not in page + server.ask("/").body.decode()
    assert "&lt;b&gt;owl&lt;/b&gt; &amp; co" in page


def test_the_page_has_boxes_on_its_map(tmp_path: Path) -> None:
    by = classifier()
    save(by, tmp_path / "by.safetensors")
    model = model_of(net_of_boxes(by, 1), tmp_path, classifier=tmp_path / "by.safetensors")
    with running(model) as server:
        page = server.form("/", picture()).body.decode()
    svg = page[page.index('<svg viewBox="0 0 80 60"') : page.index('<div class="scale">')]
    assert svg.count("<image ") == 1
    assert svg.count('<rect class="box"') == 3


def test_the_page_says_why_there_is_no_answer(server: Running) -> None:
    for body, status, said in (
        (b"text", 415, "looks like text"),
        (b"", 415, "empty"),
        (HUGE["png"], 413, "Mpx"),
    ):
        reply = server.form("/", body)
        assert (reply.status, said in reply.body.decode()) == (status, True)
        assert b'class="fault"' in reply.body


def test_the_page_wants_nothing_from_elsewhere(server: Running) -> None:
    text = b"".join(server.ask(path).body for path in ("/", "/style.css", "/script.js")).decode()
    assert "https://" not in text
    assert text.count("http://") == text.count("http://www.w3.org/2000/svg") == 1
    assert "style=" not in text
    assert "<script>" not in text


def test_names_of_classes_are_those_of_the_net(server: Running) -> None:
    named = server.ask("/predict?top=99", picture()).data["pictures"][0]["top"]
    assert {one["class"] for one in named} == {*CLASSES}
    assert sum(one["posterior"] for one in named) == pytest.approx(1, abs=1e-5)
    assert json.dumps(named)
