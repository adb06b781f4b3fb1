"""OpenTelemetry traces that join the caller's. Off, and nothing imported, unless OTEL_* variables name an exporter.

The SDK reads all of its standard variables itself: endpoint, headers, sampler, service name, batch sizes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from driftline.errors import SettingError
from serving.calls import final_status, scoped
from serving.middleware import Context, Middleware
from serving.reader import Found, ScoreReader

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

SERVICE = "driftline.serving.v1.ScoreService"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_CONTEXT_KEYS = frozenset({"traceparent", "tracestate"})
# What the conventions call an error of a server; any other status is the caller's affair.
_SERVER_ERRORS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


def is_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the standard variables name an endpoint and do not switch tracing off."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(environment.get(name) for name in _ENDPOINTS)


def exporting_provider() -> TracerProvider:
    """Sends spans over OTLP/HTTP, in batches, on a thread; `shutdown()` sends the last. Raises SettingError."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  (optional)
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider as Provider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        message = f"{' or '.join(_ENDPOINTS)} is set, but OpenTelemetry is missing: pip install 'driftline[tracing]'"
        raise SettingError(message) from None
    name = os.environ.get("OTEL_SERVICE_NAME") or "driftline-serving"
    provider = Provider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing:
    """Spans of calls and of their reads, made by one provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("driftline.serving")

    def middleware(self) -> Middleware:
        """A span around every call, child of the one that the caller's `traceparent` names."""
        return scoped(_call_scope(self._tracer))

    def reader(self) -> type[ScoreReader]:
        """A ScoreReader whose reads are spans below the call's. A gathered read shows in each of its calls."""
        return _traced_reader(self._tracer)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _call_scope(tracer: Tracer) -> Callable[[str, Any, Context], AbstractContextManager[None]]:
    from opentelemetry.trace import SpanKind  # noqa: PLC0415  (optional)
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    propagator = TraceContextTextMapPropagator()

    @contextmanager
    def scope(method: str, _: Any, context: Context) -> Iterator[None]:
        carrier = {key: value for key, value in context.invocation_metadata() or () if key in _CONTEXT_KEYS}
        with tracer.start_as_current_span(
            f"{SERVICE}/{method}",
            context=propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": SERVICE, "rpc.method": method, **_peer(context.peer())},
            record_exception=False,  # a message could hold what no one should see
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                _end(span, final_status(context, error))
                raise
            _end(span, grpc.StatusCode.OK)

    return scope


def _end(span: Span, code: grpc.StatusCode) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415  (optional)

    span.set_attribute("rpc.grpc.status_code", code.value[0])
    if code in _SERVER_ERRORS:
        span.set_status(StatusCode.ERROR, code.name)


def _peer(peer: str) -> dict[str, str | int]:
    """From gRPC's "ipv4:127.0.0.1:40000" or "ipv6:%5B::1%5D:40000"."""
    family, _, rest = peer.partition(":")
    host, _, port = rest.rpartition(":")
    if family not in {"ipv4", "ipv6"} or not port.isdigit():
        return {}
    return {"client.address": host.replace("%5B", "").replace("%5D", "").strip("[]"), "client.port": int(port)}


def _traced_reader(tracer: Tracer) -> type[ScoreReader]:
    from opentelemetry.trace import SpanKind  # noqa: PLC0415  (optional)

    def read_span(users: int) -> AbstractContextManager[Span]:
        attributes: dict[str, str | int] = {"db.system.name": "redis", "db.operation.name": "MGET"}
        if users > 1:
            attributes["db.operation.batch.size"] = users
        return tracer.start_as_current_span("MGET", kind=SpanKind.CLIENT, attributes=attributes, record_exception=False)

    class TracedReader(ScoreReader):
        async def read_one(self, user_id: str, namespace: str | None = None) -> Found:
            with read_span(1) as span:
                found = await super().read_one(user_id, namespace)
                span.set_attribute("driftline.stale", found.stale)
                return found

        async def read(self, user_ids: Sequence[str], namespace: str | None = None) -> list[Found]:
            with read_span(len(user_ids)):
                return await super().read(user_ids, namespace)

    return TracedReader
