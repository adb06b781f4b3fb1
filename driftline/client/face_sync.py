"""The blocking client. It repeats face_async.py; tests/client_faces.py runs the same tests over both."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Unpack

import grpc

from driftline.client.calls import Calls, Metadata, Options
from driftline.client.channel import channel_options
from driftline.client.errors import ScoresError, UnauthenticatedError, UnavailableError
from driftline.client.listing import Listing
from driftline.client.messages import counts_of, explanation_of, members_of, result_of, scores_of
from driftline.client.types import Explanation, Result, Scores, SegmentCount, SegmentMember, SegmentPage
from driftline.client.watching import ACCESS_RENEWED, Reconnects, WatchState
from driftline.limits import LISTED_MEMBERS_MAX
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub


class ScoresClient:
    """Asks the score server at `target`: host:port, or any name that gRPC resolves, such as dns:///scores:50051.

    Threads may share it, and should: it keeps one connection for all calls. In every call, `fields` names what to
    return, as the contract does ("scores.engagement", "session"), all where it is empty; `namespace` and `timeout_s`
    override the client's own; `metadata` goes along. Every call raises a ScoresError where there are no scores.
    """

    def __init__(self, target: str, **options: Unpack[Options]) -> None:
        self._calls = Calls(target, **options)
        arguments, tls = channel_options(self._calls.tls), self._calls.tls
        self.channel: grpc.Channel = (
            grpc.insecure_channel(target, options=arguments)
            if tls is None
            else grpc.secure_channel(target, tls.credentials(), options=arguments)
        )
        self._stub = ScoreServiceStub(self.channel)
        self._closed = threading.Event()

    def __enter__(self) -> ScoresClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Running watches end."""
        self._closed.set()
        self.channel.close()

    def get(
        self,
        user_id: str,
        *,
        fields: Sequence[str] = (),
        namespace: str | None = None,
        timeout_s: float | None = None,
        metadata: Metadata = (),
    ) -> Scores:
        """The user's scores. Raises NotFoundError for a user without any."""
        calls = self._calls
        try:
            response = self._stub.GetScores(
                calls.get(user_id, fields),
                timeout=calls.deadline_s(timeout_s),
                metadata=calls.metadata(namespace, metadata),
            )
        except grpc.RpcError as error:
            raise calls.error(error) from None
        return scores_of(response.scores, user_id=user_id, stale=response.stale)

    def batch(
        self,
        user_ids: Sequence[str],
        *,
        fields: Sequence[str] = (),
        namespace: str | None = None,
        timeout_s: float | None = None,
        metadata: Metadata = (),
    ) -> list[Result]:
        """One result a user, in this order. Asks for 1,000 users at a time; the deadline is that of each request."""
        calls, results = self._calls, list[Result]()
        for request in calls.batches(user_ids, fields):
            try:
                response = self._stub.BatchGetScores(
                    request, timeout=calls.deadline_s(timeout_s), metadata=calls.metadata(namespace, metadata)
                )
            except grpc.RpcError as error:
                raise calls.error(error) from None
            results.extend(map(result_of, response.results))
        return results

    def explain(
        self,
        user_id: str,
        *,
        namespace: str | None = None,
        timeout_s: float | None = None,
        metadata: Metadata = (),
    ) -> Explanation:
        """Why the user has these scores. Raises NotFoundError, and FailedPreconditionError without stored features."""
        calls = self._calls
        try:
            response = self._stub.ExplainScores(
                calls.explain(user_id),
                timeout=calls.deadline_s(timeout_s),
                metadata=calls.metadata(namespace, metadata),
            )
        except grpc.RpcError as error:
            raise calls.error(error) from None
        return explanation_of(response, user_id=user_id)

    def list_segments(
        self, *, namespace: str | None = None, timeout_s: float | None = None, metadata: Metadata = ()
    ) -> list[SegmentCount]:
        """The declared segments by name, each with the number of its members."""
        calls = self._calls
        try:
            response = self._stub.ListSegments(
                pb.ListSegmentsRequest(),
                timeout=calls.deadline_s(timeout_s),
                metadata=calls.metadata(namespace, metadata),
            )
        except grpc.RpcError as error:
            raise calls.error(error) from None
        return counts_of(response)

    def segment_page(
        self,
        segment: str,
        *,
        page_size: int = LISTED_MEMBERS_MAX,
        page_token: str = "",
        namespace: str | None = None,
        timeout_s: float | None = None,
        metadata: Metadata = (),
    ) -> SegmentPage:
        """So many members (at most 1,000), and the token of the next page. Raises NotFoundError for no such segment."""
        request = self._calls.members(segment, limit=page_size, page_size=page_size, page_token=page_token)
        members, token = self._members(request, namespace, timeout_s, metadata)
        return SegmentPage(tuple(members), token)

    def sample_segment(
        self,
        segment: str,
        count: int,
        *,
        namespace: str | None = None,
        timeout_s: float | None = None,
        metadata: Metadata = (),
    ) -> list[SegmentMember]:
        """So many members at random, at most 1,000. Raises NotFoundError for no such segment."""
        return self._members(self._calls.members(segment, sample=count), namespace, timeout_s, metadata)[0]

    def _members(
        self,
        request: pb.ListSegmentMembersRequest,
        namespace: str | None,
        timeout_s: float | None,
        metadata: Metadata,
    ) -> tuple[list[SegmentMember], str]:
        """What a bounded listing gives, and where it ended."""
        calls, members, token = self._calls, list[SegmentMember](), ""
        try:
            for response in self._stub.ListSegmentMembers(
                request, timeout=calls.deadline_s(timeout_s), metadata=calls.metadata(namespace, metadata)
            ):
                members += members_of(response)
                token = response.next_page_token
        except grpc.RpcError as error:
            raise calls.error(error) from None
        return members, token

    def list_segment_members(
        self,
        segment: str,
        *,
        limit: int = 0,
        page_size: int = 0,
        namespace: str | None = None,
        metadata: Metadata = (),
    ) -> Iterator[SegmentMember]:
        """The members of a segment, at most `limit` of them (0: all), read as they are asked for; no deadline.

        Who is a member all the while comes exactly once. A stream that is lost goes on where it ended; raises the last
        error where that takes over `reconnect_s`. Raises NotFoundError for no such segment.
        """
        calls, reconnects = self._calls, Reconnects(self._calls.reconnect_s)
        listing = Listing(
            lambda left, token: calls.members(segment, limit=left, page_size=page_size, page_token=token), limit
        )
        while not listing.done:
            stream = self._stub.ListSegmentMembers(listing.request(), metadata=calls.metadata(namespace, metadata))
            failure: ScoresError = UnavailableError(calls.target, "the listing ended")
            code = "OK"
            try:
                for response in stream:
                    reconnects.arrived()
                    yield from listing.take(response)
            except grpc.RpcError as error:
                failure, code = calls.error(error), error.code().name
            finally:
                stream.cancel()
            if listing.done:
                return
            wait_s = reconnects.wait_s(code, time.monotonic())
            if wait_s is None or self._closed.wait(wait_s):
                raise failure

    def watch(
        self,
        user_ids: Sequence[str],
        *,
        fields: Sequence[str] = (),
        namespace: str | None = None,
        metadata: Metadata = (),
    ) -> Iterator[Result]:
        """What is stored of each user (at most 1,000) now, then every newer value; never an older after a newer.

        Connects again after the stream was lost, also where the server no longer takes its token and `token` has a
        newer one; raises the last error where that takes over `reconnect_s`. Ends when the client is closed. After a
        promotion of an older namespace, watch anew: its values are older.
        """
        calls, state, reconnects = self._calls, WatchState(fields), Reconnects(self._calls.reconnect_s)
        request = calls.watch(user_ids, fields)
        while not self._closed.is_set():
            failure: ScoresError = UnavailableError(calls.target, "the watch ended")
            code = "OK"
            sent = calls.metadata(namespace, metadata)
            stream = self._stub.WatchScores(request, metadata=sent)
            try:
                for response in stream:
                    reconnects.arrived()
                    if (news := state.news(result_of(response.result))) is not None:
                        yield news
            except grpc.RpcError as error:
                failure, code = calls.error(error), error.code().name
            finally:
                stream.cancel()
            if self._closed.is_set():
                return
            if code == UnauthenticatedError.status and calls.metadata(namespace, metadata) != sent:
                code = ACCESS_RENEWED
            wait_s = reconnects.wait_s(code, time.monotonic())
            if wait_s is None:
                raise failure
            self._closed.wait(wait_s)
