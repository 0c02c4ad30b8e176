"""Traces for OpenTelemetry: how long what took, by route; no path, no query and no word of anyone.

Needs the extra `telemetry`; imported only where `BN_TELEMETRY_ENDPOINT` is set.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, Status

TRANSACTION = "transaction"

ALLOWED = frozenset(
    {
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "network.protocol.version",
        "url.scheme",
    }
)
"""Every attribute a span may have. The framework also gives paths and queries: those stay here."""

_PATIENCE = 3
"""Seconds for one try to send."""


class Allowing(SpanExporter):
    """The one way out: passes on spans made anew, of nothing but what is allowed."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans on."""
        return self._exporter.export([_allowed(span) for span in spans])

    def shutdown(self) -> None:
        """Send nothing more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self._exporter.force_flush(timeout_millis)


def to_collector(endpoint: str, version: str) -> TracerProvider:
    """Send spans to a collector's OTLP/HTTP address for traces, from a thread of their own."""
    about = Resource.create({"service.name": "boundary-notes", "service.version": version})
    provider = TracerProvider(resource=about)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_PATIENCE)
    provider.add_span_processor(BatchSpanProcessor(Allowing(exporter)))
    return provider


class TransactionSpans:
    """A span for each transaction, within that of its request."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("api.storage.transaction")

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Measure one."""
        span = self._tracer.start_span(TRANSACTION)
        try:
            yield
        finally:
            span.end()


def _allowed(span: ReadableSpan) -> ReadableSpan:
    attributes = {name: value for name, value in (span.attributes or {}).items() if name in ALLOWED}
    of_request = ("http.request.method", "http.route")
    named = " ".join(str(attributes[name]) for name in of_request if name in attributes)
    return ReadableSpan(
        name=named or TRANSACTION,
        context=_bare(span.context),
        parent=_bare(span.parent),
        resource=span.resource,
        attributes=attributes,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _bare(context: SpanContext | None) -> SpanContext | None:
    """Leave out the state that callers may send along with their trace."""
    if context is None:
        return None
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)
