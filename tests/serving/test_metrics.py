"""Counts as Prometheus's text format has them, worked by hand."""

from __future__ import annotations

from verydeep.serving.metrics import Histogram, Metrics


def test_a_bin_holds_all_values_up_to_its_end() -> None:
    found = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7):
        found.add(value)
    assert list(found.lines("s", 'path="/"')) == [
        's_bucket{path="/",le="0.1"} 2',
        's_bucket{path="/",le="1.0"} 3',
        's_bucket{path="/",le="+Inf"} 4',
        's_sum{path="/"} 7.650000',
        's_count{path="/"} 4',
    ]


def test_requests_refusals_batches_and_the_queue_are_told() -> None:
    metrics = Metrics()
    metrics.answered("/predict", 200, 0.3)
    metrics.answered("/predict", 200, 0.3)
    metrics.answered("/predict", 415, 0.01)
    metrics.refused("no picture")
    metrics.batch("predict", 3)
    lines = metrics.text(queue=5, ready=True).split("\n")
    for line in (
        'verydeep_requests_total{path="/predict",status="200"} 2',
        'verydeep_requests_total{path="/predict",status="415"} 1',
        'verydeep_refusals_total{cause="no picture"} 1',
        'verydeep_request_seconds_bucket{path="/predict",le="0.01"} 1',
        'verydeep_request_seconds_count{path="/predict"} 3',
        'verydeep_batch_size_bucket{work="predict",le="2"} 0',
        'verydeep_batch_size_bucket{work="predict",le="4"} 1',
        "verydeep_queue 5",
        "verydeep_ready 1",
    ):
        assert line in lines
    assert lines[-1] == ""
