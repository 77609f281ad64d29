"""Spans: of a delivery's request, of the batches that it is part of, of its application, of what is sent about it.

request ── apply ── (a link to the batch that applied it)      one trace for each delivery
   └────── POST …                                              an outgoing webhook about its change
write                                                           a trace for each batch, with a link to each of
apply batch ── claim, decide, commit                            its deliveries
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import msgspec
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from mirror.telemetry.ids import root_span_id, trace_id

# How long the last spans may take to leave when the process stops.
CLOSE_TIMEOUT_S = 3.0

Attributes = Mapping[str, str | int | float | bool]
# When something began and when it ended, in ns since 1970 UTC; and the same of a step with a name.
Times = tuple[int, int]
Step = tuple[str, int, int]


def start() -> "Tracing":
    """Send spans by OTLP over HTTP. The SDK reads the other OTEL_* variables: sampler, headers, limits, resource."""
    return Tracing(BatchSpanProcessor(OTLPSpanExporter()))


class _Ids(RandomIdGenerator):
    """Gives the ids that were asked for, once, and random ones otherwise."""

    def __init__(self) -> None:
        self.next: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return super().generate_trace_id() if self.next is None else self.next[0]

    def generate_span_id(self) -> int:
        if self.next is None:
            return super().generate_span_id()
        span_id, self.next = self.next[1], None
        return span_id


class Tracing:
    """Writes down spans once they are over. Times are in ns since 1970 UTC."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._ids = _Ids()
        # No detectors: what they find, the command line for instance, could hold a secret.
        resource = Resource({SERVICE_NAME: "reviewmirror"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("reviewmirror")

    async def close(self) -> None:
        """Send what is left, if that can be done in time."""
        closing = asyncio.to_thread(self._provider.force_flush, round(CLOSE_TIMEOUT_S * 1000))
        await asyncio.wait({asyncio.ensure_future(closing)}, timeout=CLOSE_TIMEOUT_S + 1)
        await asyncio.wait({asyncio.ensure_future(asyncio.to_thread(self._provider.shutdown))}, timeout=1)

    def request(self, delivery_id: str, seconds: float, attributes: Attributes, *, failed: bool) -> None:
        """Write the span of a delivery's request, which has just been answered."""
        end = time.time_ns()
        self._ids.next = trace_id(delivery_id), root_span_id(delivery_id)
        begin = end - round(seconds * 1e9)
        self._write(_Span("POST /webhooks/partoo", begin, end, attributes, kind=SpanKind.SERVER, failed=failed))

    def batch(self, name: str, times: Times, delivery_ids: Sequence[str], steps: Sequence[Step] = ()) -> SpanContext:
        """Write the span of a batch, and those of its steps; it links to the request of each delivery."""
        links = [Link(self._root(one)) for one in delivery_ids]
        context = self._write(_Span(name, *times, {"reviewmirror.deliveries": len(delivery_ids)}, links=links))
        for step, begin, end in steps:
            self._write(_Span(step, begin, end, parent=context))
        return context

    def applied(
        self, delivery_id: str, times: Times, attributes: Attributes, batch: SpanContext, *, requested: bool
    ) -> None:
        """Write the span of a delivery that was applied; `requested`: it came with a request, so that is its parent."""
        if not requested:
            self._ids.next = trace_id(delivery_id), root_span_id(delivery_id)
        parent = self._root(delivery_id) if requested else None
        self._write(_Span("apply", *times, attributes, parent=parent, links=[Link(batch)]))

    def sent(self, delivery_id: str, begin: int, attributes: Attributes, *, failed: bool) -> None:
        """Write the span of an outgoing webhook that has just been answered, or given up."""
        parent = self._root(delivery_id) if delivery_id else None
        self._write(
            _Span("POST endpoint", begin, time.time_ns(), attributes, SpanKind.CLIENT, parent=parent, failed=failed)
        )

    def _root(self, delivery_id: str) -> SpanContext:
        """Give the context of the span that a delivery's trace begins with, in this process or another.

        Every process must sample alike for this: the sampler decides by the trace id.
        """
        number = trace_id(delivery_id)
        decision = self._provider.sampler.should_sample(Context(), number, "").decision
        sampled = decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        return SpanContext(number, root_span_id(delivery_id), is_remote=True, trace_flags=flags)

    def _write(self, one: "_Span") -> SpanContext:
        context = Context() if one.parent is None else set_span_in_context(NonRecordingSpan(one.parent), Context())
        # The clock may have been set back meanwhile.
        begin = min(one.begin, one.end)
        span = self._tracer.start_span(one.name, context, one.kind, one.attributes, one.links, start_time=begin)
        if one.failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(one.end)
        return span.get_span_context()


class _Span(msgspec.Struct, frozen=True):
    name: str
    begin: int
    end: int
    attributes: Attributes = {}
    kind: SpanKind = SpanKind.INTERNAL
    parent: SpanContext | None = None
    links: Sequence[Link] = ()
    failed: bool = False
