"""A score server in the test's process whose answers, failures and pace the test chooses."""

# ruff: noqa: N802  (methods are named as the contract names them)

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceServicer, add_ScoreServiceServicer_to_server
from driftline.serving.v1.scores_pb2 import UserScores

WAIT_S = 10.0


class FakeScores(ScoreServiceServicer):
    """Serves `users`; fails the next calls as `failures` says; notes every call in `calls`."""

    def __init__(self) -> None:
        self.users: dict[str, UserScores] = {}
        self.failures: list[grpc.StatusCode] = []
        self.segments: dict[str, dict[str, int]] = {}  # members and since when
        self.cuts: list[grpc.StatusCode] = []  # how listings end after their next page
        self.delay_s = 0.0
        self.stale = False
        self.bad_ids: set[str] = set()  # refused in a batch or a watch
        self.calls: list[tuple[str, Any, dict[str, str]]] = []
        self._changed = threading.Condition()
        self._stopping = False

    def put(self, *users: UserScores) -> None:
        with self._changed:
            self.users |= {user.user_id: user for user in users}
            self._changed.notify_all()

    def forget(self, user_id: str) -> None:
        with self._changed:
            del self.users[user_id]
            self._changed.notify_all()

    def GetScores(self, request: pb.GetScoresRequest, context: Any) -> pb.GetScoresResponse:
        self._note("GetScores", request, context)
        if request.user_id not in self.users:
            _abort(context, grpc.StatusCode.NOT_FOUND, "the user has no scores")
        return pb.GetScoresResponse(scores=self._masked(request), stale=self.stale)

    def BatchGetScores(self, request: pb.BatchGetScoresRequest, context: Any) -> pb.BatchGetScoresResponse:
        self._note("BatchGetScores", request, context)
        return pb.BatchGetScoresResponse(results=[self._result(user_id) for user_id in request.user_ids])

    def ExplainScores(self, request: pb.ExplainScoresRequest, context: Any) -> pb.ExplainScoresResponse:
        self._note("ExplainScores", request, context)
        if request.user_id not in self.users:
            _abort(context, grpc.StatusCode.NOT_FOUND, "the user has no scores")
        features = [
            pb.FeatureValue(name="session_events", value=3, default_value=1, unit="events", formula="events in it"),
            pb.FeatureValue(name="hours_since_cart", value=2160, default_value=2160, unit="h", formula="as-of - cart"),
        ]
        return pb.ExplainScoresResponse(scores=self.users[request.user_id], features=features, stale=self.stale)

    def WatchScores(self, request: pb.WatchScoresRequest, context: Any) -> Iterator[pb.WatchScoresResponse]:
        self._note("WatchScores", request, context)
        context.add_callback(self._wake)
        sent: dict[str, pb.UserResult] = {}
        while context.is_active() and not self._stopping:
            with self._changed:
                results = [self._result(user_id) for user_id in request.user_ids]
                news = [result for result in results if sent.get(result.user_id) != result]
                if not news:
                    self._changed.wait(WAIT_S)
            for result in news:
                sent[result.user_id] = result
                yield pb.WatchScoresResponse(result=result)

    def ListSegments(self, request: pb.ListSegmentsRequest, context: Any) -> pb.ListSegmentsResponse:
        self._note("ListSegments", request, context)
        counts = [
            pb.SegmentCount(name=name, members=len(members), definition=f"hash of {name}")
            for name, members in sorted(self.segments.items())
        ]
        return pb.ListSegmentsResponse(segments=counts)

    def ListSegmentMembers(
        self, request: pb.ListSegmentMembersRequest, context: Any
    ) -> Iterator[pb.ListSegmentMembersResponse]:
        self._note("ListSegmentMembers", request, context)
        if request.segment not in self.segments:
            _abort(context, grpc.StatusCode.NOT_FOUND, f"the segment {request.segment} is not declared")
        members = [pb.SegmentMember(user_id=one, since_ms=ms) for one, ms in self.segments[request.segment].items()]
        if request.sample:
            yield pb.ListSegmentMembersResponse(members=members[: request.sample])
            return
        at = int(request.page_token or 0)
        end = min(len(members), at + request.limit) if request.limit else len(members)
        size = request.page_size or 1_000
        while True:
            until = min(end, at + size)
            token = str(until) if until < len(members) else ""
            yield pb.ListSegmentMembersResponse(members=members[at:until], next_page_token=token)
            at = until
            if at >= end:
                return
            if self.cuts:
                _abort(context, self.cuts.pop(0), "cut off")

    def stop(self) -> None:
        """End the running watches."""
        self._stopping = True
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _note(self, method: str, request: Any, context: Any) -> None:
        self.calls.append((method, request, dict(context.invocation_metadata())))
        time.sleep(self.delay_s)
        if self.failures:
            _abort(context, self.failures.pop(0), "as the test wishes")

    def _masked(self, request: pb.GetScoresRequest) -> UserScores:
        whole = self.users[request.user_id]
        if not request.read_mask.paths:
            return whole
        masked = UserScores()
        request.read_mask.MergeMessage(whole, masked)
        return masked

    def _result(self, user_id: str) -> pb.UserResult:
        if user_id in self.bad_ids:
            return pb.UserResult(user_id=user_id, status=pb.RESULT_STATUS_INVALID_ARGUMENT)
        if user_id not in self.users:
            return pb.UserResult(user_id=user_id, status=pb.RESULT_STATUS_NOT_FOUND, stale=self.stale)
        scores = self.users[user_id]
        return pb.UserResult(user_id=user_id, status=pb.RESULT_STATUS_OK, scores=scores, stale=self.stale)


@contextmanager
def fake_server(fake: FakeScores, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """The address of a server of `fake`; leaving cuts off what runs."""
    # Its own port: with SO_REUSEPORT a stopped server's port could be shared with the next one.
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    add_ScoreServiceServicer_to_server(fake, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    address = f"127.0.0.1:{port}"
    bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        stopped = server.stop(None)
        fake.stop()
        stopped.wait(WAIT_S)
        fake._stopping = False


def user(user_id: str = "u1", accepted: int = 1, generation: int = 1, **scores: float) -> UserScores:
    return UserScores(
        user_id=user_id,
        scores=scores or {"engagement": 0.5},
        generation=generation,
        accepted_events=accepted,
        as_of_event_time_ms=1_760_000_000_000,
        feature_set="v1",
    )


def _abort(context: Any, code: grpc.StatusCode, details: str) -> NoReturn:
    context.abort(code, details)
    raise AssertionError
