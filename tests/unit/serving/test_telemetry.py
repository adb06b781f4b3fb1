"""Metrics of the server, read as Prometheus reads them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from driftline.errors import StackError
from driftline.metrics import Metric, ServingMetric
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from driftline.serving.v1.scores_pb2 import UserScores
from serving.metrics_server import metrics_endpoint
from serving.observer import BreakerState
from serving.telemetry import AGE_SAMPLE_EVERY, Telemetry
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value
from tests.grpc_server import CALL_S, Client, running_server
from tests.redis_server import RedisServer, free_port, wait_until

REPOSITORY = Path(__file__).parents[3]
Samples = dict[str, float]  # by name and labels, as in the text: 'x_total{reason="y"}'


def scrape(address: str) -> Samples:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        sample.name + "".join(f"|{name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


LATENCY_COUNT = "driftline_serving_request_latency_seconds_count"


def calls(samples: Samples, method: str, code: str) -> float:
    return samples.get(f"{LATENCY_COUNT}|code={code}|method={method}", 0)


@pytest.fixture
def address() -> Iterator[str]:
    before = values.ValueClass
    try:
        with metrics_endpoint("127.0.0.1", 0) as address:
            yield address
    finally:
        values.ValueClass = before


def put(redis: RedisServer, user_id: str, *, age_s: float) -> None:
    message = UserScores(user_id=user_id, written_at_ms=int((time.time() - age_s) * 1000))
    store = RedisScoreStore.connect(redis.url)
    store.write([(user_id, encode_value(1, 1, message.SerializeToString()))], None)
    store.close()


@pytest.mark.redis
class TestCalls:
    def test_are_counted_by_method_and_code(self, redis_server: RedisServer, address: str) -> None:
        put(redis_server, "aged", age_s=30)
        telemetry = Telemetry(0)
        with running_server(redis_server.url, observer=telemetry, middlewares=[telemetry.middleware]) as client:
            for _ in range(AGE_SAMPLE_EVERY):
                client.get("aged")
            for bad in ("nobody", "nobody", ""):
                with suppress(grpc.RpcError):
                    client.get(bad)
            client.batch(["aged", "nobody", "x"])
            found = scrape(address)
        assert calls(found, "GetScores", "OK") == AGE_SAMPLE_EVERY
        assert calls(found, "GetScores", "NOT_FOUND") == 2
        assert calls(found, "GetScores", "INVALID_ARGUMENT") == 1
        assert calls(found, "BatchGetScores", "OK") == 1
        assert found["driftline_serving_score_age_seconds_count"] == 1
        assert 29 < found["driftline_serving_score_age_seconds_sum"] < 60
        assert found["driftline_serving_read_users_sum"] == AGE_SAMPLE_EVERY + 2 + 3
        assert found["driftline_serving_redis_latency_seconds_count|outcome=ok"] >= AGE_SAMPLE_EVERY + 3

    def test_request_that_is_too_large_is_a_rejected_call(self, redis_server: RedisServer, address: str) -> None:
        telemetry = Telemetry(0)
        with running_server(
            redis_server.url, observer=telemetry, middlewares=[telemetry.middleware], request_bytes_max=2_000
        ) as client:
            with pytest.raises(grpc.RpcError, match="request_bytes_max"):
                client.batch(["x" * 100] * 20)
            with pytest.raises(grpc.RpcError, match="request_bytes_max"):
                next(ScoreServiceStub(client.channel).WatchScores(pb.WatchScoresRequest(user_ids=["x" * 100] * 20)))
            wait_until(
                lambda: scrape(address).get("driftline_serving_rejected_calls_total|reason=resource_exhausted") == 2
            )
            found = scrape(address)
        assert [calls(found, method, "RESOURCE_EXHAUSTED") for method in ("BatchGetScores", "WatchScores")] == [1, 1]

    def test_streams_and_their_users_are_gauges(self, redis_server: RedisServer, address: str) -> None:
        telemetry = Telemetry(0)
        with running_server(redis_server.url, observer=telemetry, middlewares=[telemetry.middleware]) as client:
            stream = ScoreServiceStub(client.channel).WatchScores(pb.WatchScoresRequest(user_ids=["a", "b", "a"]))
            next(stream)

            def gauges() -> list[float]:
                found = scrape(address)
                names = ("watch_streams", "watched_users", "requests_in_flight")
                return [found[f"driftline_serving_{name}"] for name in names]

            wait_until(lambda: gauges() == [1, 2, 1])
            stream.cancel()
            wait_until(lambda: gauges() == [0, 0, 0])
            wait_until(lambda: calls(scrape(address), "WatchScores", "CANCELLED") == 1)

    def test_outage_shows_in_breaker_rejections_and_stale_answers(self, own_redis: RedisServer, address: str) -> None:
        put(own_redis, "known", age_s=0)
        telemetry = Telemetry(0)
        with running_server(
            own_redis.url,
            observer=telemetry,
            middlewares=[telemetry.middleware],
            serve_stale=True,
            breaker_reset_ms=60_000,
        ) as client:
            client.get("known")
            own_redis.stop()

            def breaker() -> float:
                assert client.get("known").stale
                return scrape(address)["driftline_serving_breaker_state"]

            wait_until(lambda: breaker() == 2)
            with pytest.raises(grpc.RpcError):
                client.get("never seen")
            # The caller has the status a moment before the middleware has counted it.
            wait_until(lambda: scrape(address).get("driftline_serving_rejected_calls_total|reason=unavailable") == 1)
            found = scrape(address)
            assert found["driftline_serving_stale_answers_total"] >= 1
            assert found["driftline_serving_redis_latency_seconds_count|outcome=outage"] >= 3

    def test_deadline_of_the_caller(self, own_redis: RedisServer, address: str) -> None:
        telemetry = Telemetry(0)
        with running_server(
            own_redis.url, observer=telemetry, middlewares=[telemetry.middleware], redis_timeout_ms=5_000
        ) as client:
            own_redis.pause()

            def expired() -> bool:  # more than once: on a loaded machine a call's time may be up before it arrives
                with pytest.raises(grpc.RpcError):
                    client.get("u", 0.1)
                return calls(scrape(address), "GetScores", "DEADLINE_EXCEEDED") >= 1

            wait_until(expired)
            own_redis.resume()


class TestEndpoint:
    def test_metrics_of_two_workers_add_up(self, address: str) -> None:
        for worker in range(2):
            telemetry = Telemetry(worker)
            telemetry.served_stale(users=worker + 1)
            telemetry.read_ended(users=5, took_s=0.002, outage=False)
            telemetry.breaker_changed(BreakerState.OPEN if worker else BreakerState.CLOSED)
        found = scrape(address)
        assert found["driftline_serving_stale_answers_total"] == 3
        assert found["driftline_serving_read_users_count"] == 2
        assert found["driftline_serving_redis_latency_seconds_bucket|le=0.002|outcome=ok"] == 2
        assert found["driftline_serving_redis_latency_seconds_bucket|le=0.0015|outcome=ok"] == 0
        assert found["driftline_serving_breaker_state"] == 2

    def test_worker_that_is_started_again_goes_on(self, address: str) -> None:
        for _ in range(2):
            Telemetry(0).served_stale(users=1)
        assert scrape(address)["driftline_serving_stale_answers_total"] == 2

    def test_taken_port(self, address: str) -> None:
        port = int(address.rpartition(":")[2])
        with pytest.raises(StackError, match="DRIFTLINE_SERVE_METRICS_PORT"), metrics_endpoint("127.0.0.1", port):
            pass


class TestCatalogue:
    @pytest.mark.parametrize("metric", ServingMetric, ids=lambda metric: metric.name)
    def test_names_follow_prometheus(self, metric: ServingMetric) -> None:
        about = metric.value
        assert re.fullmatch(r"driftline_serving_[a-z_]+", about.name)
        assert about.name.endswith("_total") == (about.kind == "counter")
        assert about.name.endswith("_seconds") == (about.unit == "seconds")
        assert bool(about.buckets) == (about.kind == "histogram")
        assert list(about.buckets) == sorted(set(about.buckets))
        assert about.help and about.next_move

    def test_document_lists_every_metric(self) -> None:
        text = (REPOSITORY / "docs" / "metrics.md").read_text()
        rows = [line for line in text.splitlines() if line.startswith("| `driftline_serving_")]
        assert rows == [_row(metric.value) for metric in ServingMetric]


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {metric.help} | {metric.next_move} |"


@contextmanager
def serving(redis_url: str, port: int, metrics_port: int) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"DRIFTLINE_REDIS_URL": redis_url, "PYTHONPATH": str(REPOSITORY)}
    flags = ["--workers", "2", "--port", str(port), "--metrics-port", str(metrics_port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "console.cli", "serve", *flags], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.redis
def test_two_processes_answer_on_one_metrics_port(redis_server: RedisServer) -> None:
    port, metrics_port = free_port(), free_port()
    with serving(redis_server.url, port, metrics_port) as process:
        assert process.stderr
        workers: set[int] = set()
        while len(workers) < 2:
            event = json.loads(process.stderr.readline())
            workers |= {event["worker"]} if event["event"] == "listening" else set()
        sent = 0

        def call_on_a_new_connection() -> None:
            nonlocal sent
            client = Client(f"127.0.0.1:{port}")
            with client.channel, suppress(grpc.RpcError):
                sent += 1
                client.get("nobody", CALL_S)

        for _ in range(20):  # the kernel spreads connections; that both get none or all is a chance of 2 in a million
            call_on_a_new_connection()
        wait_until(lambda: calls(scrape(f"127.0.0.1:{metrics_port}"), "GetScores", "NOT_FOUND") == sent)
