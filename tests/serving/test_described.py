"""Requests made of our own description by schemathesis, such as it allows and such as it does not.

Whatever comes, no answer is a fault, and each is one that the description has for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.pictures.test_reading import HUGE, REFUSED, VALID
from tests.serving.at_work import Running, model_of, net, running, units_file
from verydeep.serving.units import known_units

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
hypothesis = pytest.importorskip("hypothesis")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),  # as schemathesis does
]
CASES = 80
"""Of each way, for each path that takes anything."""
PICTURES = [*VALID.values(), *(data for data, _ in REFUSED.values()), *HUGE.values()]
ASKED = {"/predict": "POST", "/explain": "POST", "/units": "POST", "/patches": "GET"}
PLAIN = ("/health", "/ready", "/metrics", "/openapi.json")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = units_file(net(), tmp_path_factory.mktemp("described"))
    model = model_of(net(), folder)
    with running(model, known=known_units(folder, model)) as found:
        yield found


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("path", [*ASKED, *PLAIN])
def test_every_answer_is_one_that_is_described(server: Running, path: str, mode: str) -> None:
    from schemathesis.specs.openapi import checks

    if path in PLAIN and mode == "negative":
        pytest.skip("takes nothing that could be wrong")
    schemathesis.openapi.media_type("image/*", hypothesis.strategies.sampled_from(PICTURES))
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operation, seen = schema[path][ASKED.get(path, "GET")], Counter[int]()
    held = [
        schemathesis.checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.response_headers_conformance,
        checks.negative_data_rejection,
    ]

    @hypothesis.settings(  # type: ignore[untyped-decorator]
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[*hypothesis.HealthCheck],
    )
    @hypothesis.given(case=operation.as_strategy(schemathesis.GenerationMode(mode)))  # type: ignore[untyped-decorator]
    def ask(case: object) -> None:
        reply = case.call(base_url=server.url)  # type: ignore[attr-defined]
        seen[reply.status_code] += 1
        case.validate_response(reply, checks=held)  # type: ignore[attr-defined]

    ask()
    if path in ASKED:
        assert len(seen) > 1
    assert server.ask("/health").status == 200
    assert server.service.inside == 0
