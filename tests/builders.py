"""Small factories: a test states only what matters to it."""

from __future__ import annotations

from typing import Any

from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.session_pb2 import ClosedSession
from driftline.state.v1.state_pb2 import ShardState
from driftline.topics import SCORES, SESSIONS
from jobs.pipeline import bounds_of, processor_of
from jobs.settings import ScoreEventsSettings
from state_schemas.users import Timelines
from udfs.block import Block, BlockProcessor
from udfs.event import CUSTOM, VIEW, Event
from udfs.money import NUMBERS
from udfs.results import BlockResult
from udfs.scoring import Model
from udfs.timeline import TimelineBounds

T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOW = T0 + 400 * DAY  # wall-clock time, after all that tests tell of


def job_settings(**changed: Any) -> ScoreEventsSettings:
    """The job's settings, the defaults but for `changed` and a disorder bound of a minute, so that tests are short."""
    settings: ScoreEventsSettings = ScoreEventsSettings.load(**({"disorder_ms": MINUTE} | changed))
    return settings


def bounds(**changed: Any) -> TimelineBounds:
    """A timeline's bounds, those of `job_settings`."""
    return bounds_of(job_settings(**changed))


def event(at_ms: int, kind: int = VIEW, event_id: str | None = None, value: float = 0.0, category: str = "") -> Event:
    """An event `at_ms` after T0; its id names its time unless given."""
    return Event(T0 + at_ms, event_id if event_id is not None else f"at-{at_ms}", kind, value, category)


def message(user_id: str = "u1", at_ms: int = 0, **fields: Any) -> UserEvent:
    """A valid UserEvent `at_ms` after T0."""
    valid: dict[str, Any] = {"event_id": f"at-{at_ms}", "type": VIEW, "event_time_ms": T0 + at_ms}
    return UserEvent(user_id=user_id, **(valid | fields))


def block(*messages: UserEvent, offset: int = 0) -> Block:
    """The messages as records of partition 0 from an offset on, keyed by user, with the event's time as timestamp."""
    return Block(
        [m.user_id.encode() for m in messages],
        [m.SerializeToString() for m in messages],
        [0] * len(messages),
        list(range(offset, offset + len(messages))),
        [m.event_time_ms for m in messages],
    )


def to_message(user_id: str, e: Event) -> UserEvent:
    """The wire form of an event."""
    named = {"name": "custom"} if e.type == CUSTOM else {}
    return UserEvent(
        event_id=e.event_id,
        user_id=user_id,
        type=e.type,  # type: ignore[arg-type]  # the enum's number
        event_time_ms=e.time_ms,
        value=e.value,
        category=e.category,
        currency=next((code for code, number in NUMBERS.items() if number == e.currency), "???" if e.currency else ""),
        **named,  # type: ignore[arg-type]
    )


class States(dict[str, bytes]):
    """Users' states in a dictionary, with the face of Flink's MapState."""

    def put_all(self, states: dict[str, bytes]) -> None:
        self.update(states)


def timelines(states: States | None = None, cached_max: int = 100, cached_bytes_max: int = 2**26) -> Timelines:
    """Timelines over states in memory."""
    return Timelines(states if states is not None else States(), bounds(), cached_max, cached_bytes_max)


def fold_block(fold: BlockProcessor, records: Block, shard: ShardState, users: Timelines, now_ms: int) -> BlockResult:
    """Process a block and put its timelines back, as the job does."""
    result = fold.process(records, shard, users, now_ms)
    users.put_all(result.timelines)
    return result


def scores_of(result: BlockResult) -> dict[str, bytes | None]:
    """What a block sends to the topic of scores, by user."""
    return dict(result.outputs.get(SCORES.role, []))


def sessions_of(result: BlockResult) -> list[ClosedSession]:
    """What a block sends to the topic of sessions."""
    return [ClosedSession.FromString(value or b"") for _, value in result.outputs.get(SESSIONS.role, [])]


class HalfModel:
    """Says 0.5 of everybody."""

    version = "half"

    def predict(self, vectors: Any) -> list[float]:
        return [0.5] * len(vectors)


def processor(model: Model | None = None, **changed: Any) -> BlockProcessor:
    """A processor with the default settings but for `changed`."""
    return processor_of(job_settings(**changed), {PURCHASE_PROPENSITY: lambda: model})
