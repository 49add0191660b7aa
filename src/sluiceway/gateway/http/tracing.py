"""Traces of requests, where OpenTelemetry is installed and told where to send them."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sluiceway.gateway.http import VERSION
from sluiceway.serving.values import Reply

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Either names where traces go; without both nothing is traced."""


class Tracing(Protocol):
    """Who is told of a request once it is over."""

    def ended(
        self,
        *,
        name: str,
        headers: Mapping[bytes, bytes],
        request_id: str,
        status: int,
        seconds: float,
        reply: Reply | None,
    ) -> None:
        """A request was answered or refused.

        Args:
            name: What it was: the method and the route.
            headers: Of the request; ``traceparent`` among them says whose span it belongs to.
            seconds: How long it took.
            reply: What was answered; None where nothing was.
        """


class OpenTelemetryTracing:
    """One span for each request, and below it one for each model that was asked.

    The spans are made when all is over. How long each model took was measured; models of one arm
    are laid end to end from the request's beginning, in the order in which they were asked.
    """

    def __init__(self, tracer: "Tracer") -> None:
        from opentelemetry.trace.propagation import tracecontext

        self._tracer = tracer
        self._incoming = tracecontext.TraceContextTextMapPropagator()

    def ended(
        self,
        *,
        name: str,
        headers: Mapping[bytes, bytes],
        request_id: str,
        status: int,
        seconds: float,
        reply: Reply | None,
    ) -> None:
        """Make the spans."""
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        carrier = {
            key: headers[key.encode()].decode("latin-1")
            for key in ("traceparent", "tracestate")
            if key.encode() in headers
        }
        end = time.time_ns()
        start = end - int(seconds * 1e9)
        span = self._tracer.start_span(
            name,
            context=self._incoming.extract(carrier),
            kind=SpanKind.SERVER,
            start_time=start,
            attributes={
                "http.response.status_code": status,
                "sluiceway.request_id": request_id,
                **_of_reply(reply),
            },
        )
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        within = set_span_in_context(span)
        for arm in reply.arms if reply is not None else ():
            at = start
            for model, took in arm.seconds.items():
                child = self._tracer.start_span(
                    model,
                    context=within,
                    start_time=at,
                    attributes={
                        "sluiceway.arm": arm.arm.value,
                        "sluiceway.rollout": arm.rollout_id,
                        "sluiceway.rows": len(arm.rows),
                        "sluiceway.stand_ins": _stood_in(arm.stand_ins.get(model)),
                    },
                )
                at += int(took * 1e9)
                child.end(end_time=at)
        span.end(end_time=end)


def tracing_of(environment: Mapping[str, str]) -> Tracing | None:
    """Tracing by OTLP over HTTP, as OpenTelemetry's own variables say.

    Returns:
        None where none of :data:`ENDPOINTS` is set.

    Raises:
        ImportError: One is, and the extra ``telemetry`` is not installed.
    """
    if not any(environment.get(name) for name in ENDPOINTS):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = environment.get("OTEL_SERVICE_NAME") or "sluiceway"
    made = TracerProvider(resource=Resource.create({SERVICE_NAME: named}))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetryTracing(made.get_tracer("sluiceway.gateway", VERSION))


def _of_reply(reply: Reply | None) -> dict[str, Any]:
    if reply is None:
        return {}
    return {
        "sluiceway.model": reply.question.model,
        "sluiceway.rows": reply.question.rows,
        "sluiceway.generation": reply.arms[0].generation,
    }


def _stood_in(reasons: Any) -> int:
    return 0 if reasons is None else sum(1 for reason in reasons.tolist() if reason)
