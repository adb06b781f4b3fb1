"""Prometheus metrics of the server, added up over its workers.

Each worker writes its numbers into files of one folder (prometheus_client's multiprocess mode). metrics_server.py
reads them all and answers on the metrics port. A worker that is started again goes on with the files of the one before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import grpc
from prometheus_client import Counter, Gauge, Histogram, values

from driftline.limits import BATCH_IDS_MAX
from driftline.metrics import ServingMetric
from driftline.serving.v1 import score_service_pb2 as pb
from serving.calls import final_status
from serving.health import Health
from serving.middleware import Context, Handler, UnaryHandler, is_stream
from serving.observer import BreakerState, Observer
from serving.requests import NeverSent

AGE_SAMPLE_EVERY = 64  # one answer in this many is decoded for its age: 3 us for that one, 0.05 us on average
PUBLISH_S = 0.25  # how often gauges are written while calls come: one write a call would cost as much as the histogram

REJECTIONS = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
    }
)
NEVER_SENT = "never_sent"  # a reason of its own: the status of a slow Redis would hide who holds streams open
_BREAKER = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class Telemetry(Observer):
    """The metrics of one worker. Needs the folder of metrics_endpoint; used by one event loop."""

    def __init__(self, worker: int) -> None:
        # prometheus_client chooses the class of values at import, by an environment variable and the process's pid.
        # Numbers of a worker must outlive its pid, and it has no other way to say so than to replace the class, which
        # all metrics of the process then share: a worker has one Telemetry.
        values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]  # not annotated there
            lambda: f"worker{worker}"
        )
        self._latency = _histogram(ServingMetric.REQUEST_LATENCY)
        self._redis_latency = _histogram(ServingMetric.REDIS_LATENCY)
        self._redis_ok = self._redis_latency.labels("ok")
        self._redis_outage = self._redis_latency.labels("outage")
        self._read_users = _histogram(ServingMetric.READ_USERS)
        self._score_age = _histogram(ServingMetric.SCORE_AGE)
        self._rejected = _counter(ServingMetric.REJECTED)
        self._stale = _counter(ServingMetric.STALE)
        self._breaker = _gauge(ServingMetric.BREAKER, "livemax")
        self._health = _gauge(ServingMetric.HEALTH, "livemin")
        self._redis_memory = _gauge(ServingMetric.REDIS_MEMORY, "livemax")
        self._redis_evicted = _gauge(ServingMetric.REDIS_EVICTED, "livemax")
        self._gauges = {
            metric: _gauge(metric, "livesum")
            for metric in (ServingMetric.IN_FLIGHT, ServingMetric.WATCH_STREAMS, ServingMetric.WATCHED_USERS)
        }
        self._levels = dict.fromkeys(self._gauges, 0)
        self._by_outcome: dict[tuple[str, grpc.StatusCode], Histogram] = {}
        self._publishing = False
        self._to_sample = AGE_SAMPLE_EVERY
        self._breaker.set(0)
        self._publish()

    def middleware(self, method: str, handler: Handler) -> Handler:
        """Counts and times every call; to be the outermost, so that it sees the calls that others refuse."""
        return self._streaming(method, handler) if is_stream(handler) else self._answering(method, handler)

    def read_ended(self, *, users: int, took_s: float, outage: bool) -> None:
        """See Observer. Looks at the namespace, which read no user, count for the latency alone."""
        (self._redis_outage if outage else self._redis_ok).observe(took_s)
        if users:
            self._read_users.observe(users)

    def breaker_changed(self, state: BreakerState) -> None:
        """See Observer."""
        self._breaker.set(_BREAKER[state])

    def served_stale(self, *, users: int) -> None:
        """See Observer."""
        self._stale.inc(users)

    def health_changed(self, health: Health) -> None:
        """See Observer."""
        self._health.set(health)

    def memory_seen(self, *, used_percent: int, evicted_keys: int) -> None:
        """See Observer."""
        self._redis_memory.set(used_percent / 100)
        self._redis_evicted.set(evicted_keys)

    def _answering(self, method: str, handler: Handler) -> Handler:
        answer = cast("UnaryHandler", handler)
        parse = {"GetScores": _age_of_one, "BatchGetScores": _age_of_batch}.get(method)
        ok = self._latency.labels(method, grpc.StatusCode.OK.name)
        clock = time.perf_counter

        async def unary(request: Any, context: Context) -> bytes:
            self._move(ServingMetric.IN_FLIGHT, 1)
            begin_s = clock()
            try:
                response = await answer(request, context)
            except BaseException as error:
                self._failed(method, final_status(context, error), clock() - begin_s, request)
                raise
            finally:
                self._levels[ServingMetric.IN_FLIGHT] -= 1
            ok.observe(clock() - begin_s)
            if parse is not None:
                self._to_sample -= 1
                if self._to_sample <= 0:
                    self._to_sample = AGE_SAMPLE_EVERY
                    if written_at_ms := parse(response):
                        self._score_age.observe(max(0.0, time.time() - written_at_ms / 1000))
            return response

        return unary

    def _streaming(self, method: str, handler: Handler) -> Handler:
        async def stream(request: Any, context: Context) -> AsyncIterator[bytes]:
            begin_s = time.perf_counter()
            code = grpc.StatusCode.OK
            with self._streams(method, request):
                try:
                    async for response in handler(request, context):  # type: ignore[union-attr]  # is_stream said so
                        yield response
                except BaseException as error:
                    code = final_status(context, error)
                    raise
                finally:
                    self._failed(method, code, time.perf_counter() - begin_s, request)

        return stream

    @contextmanager
    def _streams(self, method: str, request: Any) -> Iterator[None]:
        users = watched_users(method, request)
        moves = {ServingMetric.IN_FLIGHT: 1}
        if method == "WatchScores":
            moves |= {ServingMetric.WATCH_STREAMS: 1, ServingMetric.WATCHED_USERS: users}
        for gauge, by in moves.items():
            self._move(gauge, by)
        try:
            yield
        finally:
            for gauge, by in moves.items():
                self._move(gauge, -by)

    def _failed(self, method: str, code: grpc.StatusCode, took_s: float, request: Any) -> None:
        observed = self._by_outcome.get((method, code))
        if observed is None:
            observed = self._by_outcome[method, code] = self._latency.labels(method, code.name)
        observed.observe(took_s)
        if isinstance(request, NeverSent):
            self._rejected.labels(NEVER_SENT).inc()
        elif code in REJECTIONS:
            self._rejected.labels(code.name.lower()).inc()

    def _move(self, gauge: ServingMetric, by: int) -> None:
        self._levels[gauge] += by
        if not self._publishing:
            self._publishing = True
            asyncio.get_running_loop().call_later(PUBLISH_S, self._publish)

    def _publish(self) -> None:
        """Write the gauges, and again later for as long as calls run."""
        self._publishing = False
        for gauge, level in self._levels.items():
            self._gauges[gauge].set(level)
        if any(self._levels.values()):
            self._move(ServingMetric.IN_FLIGHT, 0)


def watched_users(method: str, request: Any) -> int:
    """How many users the call watches, if the service does not refuse it."""
    user_ids = getattr(request, "user_ids", ()) if method == "WatchScores" else ()
    return len(set(user_ids)) if len(user_ids) <= BATCH_IDS_MAX else 0


def _age_of_one(response: bytes) -> int:
    return pb.GetScoresResponse.FromString(response).scores.written_at_ms


def _age_of_batch(response: bytes) -> int:
    """Of the first user that has scores: one a sample is enough, and the rest need not be looked at."""
    results = pb.BatchGetScoresResponse.FromString(response).results
    return next((result.scores.written_at_ms for result in results if result.scores.written_at_ms), 0)


def _histogram(metric: ServingMetric) -> Histogram:
    about = metric.value
    return Histogram(about.name, about.help, about.labels, buckets=about.buckets, registry=None)


def _counter(metric: ServingMetric) -> Counter:
    return Counter(metric.value.name, metric.value.help, metric.value.labels, registry=None)


def _gauge(metric: ServingMetric, mode: Any) -> Gauge:
    return Gauge(metric.value.name, metric.value.help, registry=None, multiprocess_mode=mode)
