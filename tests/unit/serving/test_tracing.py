"""Traces that join the caller's, seen by an exporter in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from serving.tracing import Tracing, is_on
from tests.grpc_server import CALL_S, Client, running_server
from tests.redis_server import RedisServer, wait_until

TRACE_ID, CALLER_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = (("traceparent", f"00-{TRACE_ID}-{CALLER_SPAN}-01"),)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Iterator[Tracing]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider)
    yield tracing
    tracing.close()


@pytest.fixture
def client(redis_server: RedisServer, tracing: Tracing) -> Iterator[Client]:
    with running_server(redis_server.url, middlewares=[tracing.middleware()], reader_class=tracing.reader()) as client:
        yield client


def finished(exporter: InMemorySpanExporter, count: int) -> Sequence[ReadableSpan]:
    wait_until(lambda: len(exporter.get_finished_spans()) >= count)
    return exporter.get_finished_spans()


@pytest.mark.redis
class TestSpans:
    def test_call_is_a_child_of_the_callers_and_the_read_one_of_the_call(
        self, client: Client, exporter: InMemorySpanExporter
    ) -> None:
        request = pb.BatchGetScoresRequest(user_ids=["a", "b"])
        ScoreServiceStub(client.channel).BatchGetScores(request, timeout=CALL_S, metadata=TRACEPARENT)
        read, call = finished(exporter, 2)
        assert call.context and call.parent and call.attributes and read.parent
        assert f"{call.context.trace_id:032x}" == TRACE_ID and f"{call.parent.span_id:016x}" == CALLER_SPAN
        assert read.parent.span_id == call.context.span_id and read.context.trace_id == call.context.trace_id
        assert call.name == "driftline.serving.v1.ScoreService/BatchGetScores" and call.kind is SpanKind.SERVER
        assert dict(call.attributes) | {"client.port": 0} == {
            "rpc.system": "grpc",
            "rpc.service": "driftline.serving.v1.ScoreService",
            "rpc.method": "BatchGetScores",
            "rpc.grpc.status_code": 0,
            "client.address": "127.0.0.1",
            "client.port": 0,
        }
        assert (read.name, read.kind) == ("MGET", SpanKind.CLIENT)
        assert dict(read.attributes or {}) == {
            "db.system.name": "redis",
            "db.operation.name": "MGET",
            "db.operation.batch.size": 2,
        }

    def test_without_a_traceparent_a_trace_begins(self, client: Client, exporter: InMemorySpanExporter) -> None:
        with pytest.raises(grpc.RpcError):
            client.get("nobody")
        call = finished(exporter, 2)[-1]
        assert call.parent is None and call.attributes
        assert call.attributes["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
        assert call.status.status_code is StatusCode.UNSET  # the caller's affair, not an error of the server

    def test_stream_is_a_span_until_its_end(self, client: Client, exporter: InMemorySpanExporter) -> None:
        stream = ScoreServiceStub(client.channel).WatchScores(
            pb.WatchScoresRequest(user_ids=["a"]), metadata=TRACEPARENT
        )
        next(stream)
        assert [span.name for span in exporter.get_finished_spans()] == ["MGET"]
        stream.cancel()
        call = finished(exporter, 2)[-1]
        assert call.attributes and call.attributes["rpc.grpc.status_code"] == grpc.StatusCode.CANCELLED.value[0]

    def test_no_span_names_the_user(self, client: Client, exporter: InMemorySpanExporter) -> None:
        with pytest.raises(grpc.RpcError):
            client.get("jane-doe")
        with pytest.raises(grpc.RpcError):
            client.get("jane-doe" * 20)
        assert all("jane-doe" not in span.to_json() for span in finished(exporter, 3))

    def test_outage_is_an_error_of_the_server(
        self, own_redis: RedisServer, tracing: Tracing, exporter: InMemorySpanExporter
    ) -> None:
        with running_server(own_redis.url, middlewares=[tracing.middleware()], reader_class=tracing.reader()) as client:
            own_redis.stop()
            with pytest.raises(grpc.RpcError):
                client.get("a")
            read, call = finished(exporter, 2)
        assert call.status.status_code is read.status.status_code is StatusCode.ERROR
        assert call.status.description == "UNAVAILABLE"


class TestSwitch:
    @pytest.mark.parametrize(
        ("environment", "on"),
        [
            ({}, False),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
            ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ],
    )
    def test_follows_the_standard_variables(self, environment: dict[str, str], on: bool) -> None:
        assert is_on(environment) is on

    def test_nothing_is_imported_while_it_is_off(self) -> None:
        code = "import sys, serving.server; print([name for name in sys.modules if name.startswith('opentelemetry')])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip() == "[]"
