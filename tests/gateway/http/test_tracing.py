"""Traces are made of what happened, by OpenTelemetry, where somebody wants them."""

from itertools import pairwise

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from sluiceway.gateway.http.tracing import OpenTelemetryTracing, tracing_of
from tests.gateway.http.shopfront import ONE, open_shop, served_shop

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_request_is_a_span_and_so_is_each_model_that_was_asked() -> None:
    kept = InMemorySpanExporter()
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(kept))
    tracing = OpenTelemetryTracing(made.get_tracer("tests"))
    with open_shop(served=served_shop(), tracing=tracing) as front:
        post = front.client.post
        records = {"dataframe_records": [{**ONE, "order_id": "down"}]}
        headers = {"traceparent": PARENT, "x-request-id": "q-1"}
        post("/invocations/priority", json=records, headers=headers)
        post("/invocations/nope", json=records)
        post("/invocations/fraud", json={"dataframe_records": [{**ONE, "order_id": "broken"}]})
    made.shutdown()
    spans = kept.get_finished_spans()
    servers = [span for span in spans if span.kind is SpanKind.SERVER]
    answered, refused, broken = servers
    assert answered.name == "POST /invocations/{model}"
    assert answered.context is not None
    assert answered.parent is not None
    assert answered.context.trace_id == int(PARENT.split("-")[1], 16)
    assert answered.parent.span_id == int(PARENT.split("-")[2], 16)
    attributes = dict(answered.attributes or {})
    assert attributes["sluiceway.request_id"] == "q-1"
    assert attributes["sluiceway.model"] == "priority"
    assert attributes["http.response.status_code"] == 200
    children = [
        span for span in spans if span.parent and span.parent.span_id == answered.context.span_id
    ]
    assert [child.name for child in children] == ["fraud", "handling", "cost", "priority"]
    said = [dict(child.attributes or {})["sluiceway.stand_ins"] for child in children]
    assert said == [0, 1, 0, 0]
    for before, after in pairwise(children):
        assert before.end_time == after.start_time
    assert dict(refused.attributes or {})["http.response.status_code"] == 404
    assert refused.status.status_code is StatusCode.UNSET
    assert broken.status.status_code is StatusCode.ERROR


def test_nothing_is_traced_unless_somebody_says_where_to() -> None:
    assert tracing_of({}) is None
    assert tracing_of({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}) is None


def test_a_named_endpoint_turns_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert isinstance(tracing_of(environment), OpenTelemetryTracing)
