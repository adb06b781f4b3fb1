"""What a request may cost: counted in steps of the interpreter and in reads, not in time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from types import FrameType
from typing import Any, cast

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from driftline.serving.v1 import score_service_pb2 as pb
from serving.audit import UserIds, audit
from serving.masks import PATHS
from serving.middleware import UnaryHandler
from serving.reader import Found, ScoreReader
from serving.requests import Refused
from serving.service import ScoreService
from serving.settings import ServeSettings
from serving.telemetry import watched_users
from serving.watch import WatchHub
from tests.stored import stored_user

FEW = 150  # steps that need no second look


class Stored(ScoreReader):
    """Everybody has scores; counts the users that are read."""

    def __init__(self) -> None:
        self.users = 0

    async def read(self, user_ids: Sequence[str], namespace: str | None = None) -> list[Found]:
        self.users += len(user_ids)
        return [Found(value[:16], value[16:]) for _, value in map(stored_user, user_ids)]

    async def read_one(self, user_id: str, namespace: str | None = None) -> Found:
        return (await self.read([user_id]))[0]


class Context:
    """As much of a context as a handler looks at."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    def peer(self) -> str:
        return "ipv4:10.0.0.7:40000"

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.PERMISSION_DENIED


class Ids(list[str]):
    """Counts how many ids are looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[str]:
        for user_id in super().__iter__():
            self.looked_at += 1
            yield user_id


def service() -> tuple[ScoreService, Stored]:
    reader, settings = Stored(), ServeSettings.load()
    return ScoreService(reader, WatchHub(reader, settings), settings), reader


def steps(call: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[int, Any]:
    """How many calls, of Python and of C, it takes, and what came of it."""
    taken = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal taken
        taken += event in {"call", "c_call"}

    async def run() -> Any:
        sys.setprofile(count)
        try:
            return await call()
        except Refused as refused:
            return refused
        finally:
            sys.setprofile(None)

    result = asyncio.run(run())
    return taken, result


def batch(user_ids: list[str], paths: list[str]) -> tuple[int, Any]:
    request = pb.BatchGetScoresRequest(user_ids=user_ids, read_mask=FieldMask(paths=paths))
    asked = service()[0]
    return steps(lambda: asked.batch_get_scores(request, cast("Any", Context())))


def test_mask_of_many_paths_is_refused_without_reading_them() -> None:
    taken, refused = batch([f"u{number}" for number in range(1_000)], ["user_id"] * 26_000)
    assert taken < FEW
    assert isinstance(refused, Refused) and refused.code is grpc.StatusCode.INVALID_ARGUMENT


def test_repeated_paths_cost_no_user_anything() -> None:
    users = [f"u{number}" for number in range(1_000)]
    once, _ = batch(users, ["user_id", "scores.engagement"])
    often, _ = batch(users, ["user_id", "scores.engagement"] * 32)
    assert often - once < FEW  # each path is looked at once a request


def test_mask_costs_each_user_no_more_than_the_message_has_fields() -> None:
    few, many = (batch([f"u{number}" for number in range(users)], list(PATHS[:-1]))[0] for users in (1, 1_001))
    fields = len(PATHS)
    without = [batch([f"u{number}" for number in range(users)], [])[0] for users in (1, 1_001)]
    assert (many - few) - (without[1] - without[0]) < 1_000 * (fields + 10)


def test_repeated_ids_are_read_and_masked_once() -> None:
    asked, reader = service()
    request = pb.BatchGetScoresRequest(user_ids=["u"] * 1_000, read_mask=FieldMask(paths=["user_id"]))
    taken, response = steps(lambda: asked.batch_get_scores(request, cast("Any", Context())))
    assert reader.users == 1
    assert len(pb.BatchGetScoresResponse.FromString(response).results) == 1_000
    assert taken < 1_000 * 8


@pytest.mark.parametrize("method", ["batch_get_scores", "watch_scores"])
def test_too_many_ids_are_refused_without_a_look_at_them(method: str) -> None:
    class Request:
        user_ids = Ids([""] * 130_000)

        def HasField(self, _name: str) -> bool:  # noqa: N802  (protobuf's name)
            return False

    asked, reader = service()

    async def call() -> None:
        answer = getattr(asked, method)(Request(), Context())
        await (answer if asyncio.iscoroutine(answer) else anext(answer))

    _, refused = steps(call)
    assert isinstance(refused, Refused) and "130,000" in refused.details
    assert watched_users("WatchScores", Request()) == 0  # before the service has refused them, too
    assert (Request.user_ids.looked_at, reader.users) == (0, 0)


def test_log_line_is_as_long_as_it_is_worth(caplog: pytest.LogCaptureFixture) -> None:
    """Ids and namespaces that are none may be as long as a request."""

    async def deny(_request: Any, _context: Any) -> bytes:
        raise grpc.aio.AbortError

    for plain in (True, False):
        handler = cast("UnaryHandler", audit(UserIds(plain=plain), lambda _: "n" * 8_000)("GetScores", deny))
        with caplog.at_level("INFO"), pytest.raises(grpc.aio.AbortError):
            asyncio.run(cast("Any", handler(pb.GetScoresRequest(user_id="x" * 200_000), cast("Any", Context()))))
        fields = caplog.records[-1].fields  # type: ignore[attr-defined]
        assert len(fields["user"]) <= 128 + 3 and len(fields["namespace"]) <= 64 + 3


def test_namespace_that_is_none_is_not_sent_back() -> None:
    """A status travels in a header, and headers have a bound of their own at the other end."""
    asked, _ = service()
    context = cast("Any", Context(("driftline-namespace", "n" * 8_000)))
    _, refused = steps(lambda: asked.get_scores(pb.GetScoresRequest(user_id="u"), context))
    assert isinstance(refused, Refused) and len(refused.details) < 300
