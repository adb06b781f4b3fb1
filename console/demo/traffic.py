"""The demo's traffic: believable events, and what a pipeline must expect among them: repeats, late and broken ones."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import NamedTuple, Protocol

from console.simulator import SimulatedEvent, SimulationSpec, json_line, simulate_live, user_event
from driftline.settings import Format
from driftline.units import DAY_MS, MINUTE_MS

DISORDER_MS = 3_000  # events reach Kafka up to so much later than newer ones; well inside the job's bound of a day
LATE_MS = DAY_MS + 10 * MINUTE_MS  # beyond the job's bound: such an event is late
_REPEATED_AMONG = 1_000  # the newest events, of which one is repeated
_RECENT_EVENTS = 20_000  # whose users are candidates for the view


class Kind(Enum):
    """What a published record is meant to be."""

    EVENT = "events"
    REPEAT = "repeats"
    LATE = "late"
    MALFORMED = "malformed"
    SILENT = "silent"  # of a shopper from whom nothing follows (silence.py)


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How many of each kind are added to one event of the shoppers, on average."""

    repeats: float = 0.02
    late: float = 0.005
    malformed: float = 0.002

    @property
    def added(self) -> float:
        """All kinds together."""
        return self.repeats + self.late + self.malformed


class Record(NamedTuple):
    """A record to publish, keyed by `user_id`."""

    kind: Kind
    user_id: str
    value: bytes
    timestamp_ms: int
    event_time_ms: int


class Sent(NamedTuple):
    """An event that was just published, newer than everything before of its user."""

    user_id: str
    event_time_ms: int
    sent_s: float  # of the monotonic clock


class Publisher(Protocol):
    """The part of EventPublisher that the traffic needs."""

    def send(self, user_id: str, value: bytes, timestamp_ms: int) -> None:
        """Hand over one event."""

    def flush(self) -> None:
        """Wait until everything sent is acknowledged."""


def live_records(
    *, users: int, seed: int, rate: float, encoding: Format, wait: Callable[[float], object]
) -> Iterator[Record]:
    """Records as they are due, `rate` a second with all kinds together, without end."""
    shares = Shares()
    spec = SimulationSpec(users=users, seed=seed, rate=rate / (1 + shares.added), disorder_ms=DISORDER_MS)
    events = simulate_live(spec, clock=time.time, sleep=wait)
    return mix(events, shares, Random(seed), encoding)  # noqa: S311  (no secrets here)


def mix(events: Iterable[SimulatedEvent], shares: Shares, random: Random, encoding: Format) -> Iterator[Record]:
    """The events in their order, and after some of them a record that will not be folded."""
    recent: deque[SimulatedEvent] = deque(maxlen=_REPEATED_AMONG)
    malformed = 0
    for event in events:
        recent.append(event)
        yield _record(Kind.EVENT, event, encoding)
        drawn = random.random()
        if drawn < shares.repeats:
            yield _record(Kind.REPEAT, recent[random.randrange(len(recent))], encoding)
        elif drawn < shares.repeats + shares.late:
            yield _record(Kind.LATE, _late(event), encoding)
        elif drawn < shares.added:
            yield _MALFORMED[malformed % len(_MALFORMED)](event, encoding)
            malformed += 1


def encode(event: SimulatedEvent, encoding: Format) -> bytes:
    """The event as the topic holds it."""
    return json_line(event).encode() if encoding == "json" else user_event(event).SerializeToString()


def _record(kind: Kind, event: SimulatedEvent, encoding: Format) -> Record:
    return Record(kind, event.user_id, encode(event, encoding), event.event_time_ms, event.event_time_ms)


def _late(event: SimulatedEvent) -> SimulatedEvent:
    """Another event of the user, from before: as a phone sends it that was offline."""
    return event._replace(event_id=f"{event.event_id}-late", event_time_ms=event.event_time_ms - LATE_MS)


def _garbage(event: SimulatedEvent, _: Format) -> Record:
    return Record(Kind.MALFORMED, event.user_id, b"\xff" * 8, event.event_time_ms, event.event_time_ms)  # UNDECODABLE


def _nameless(event: SimulatedEvent, encoding: Format) -> Record:
    return _record(Kind.MALFORMED, event._replace(event_id=""), encoding)  # MISSING_FIELD


def _misplaced(event: SimulatedEvent, encoding: Format) -> Record:
    other = event._replace(event_id=f"{event.event_id}-other", user_id=f"{event.user_id}-other")
    return _record(Kind.MALFORMED, other, encoding)._replace(user_id=event.user_id)  # KEY_MISMATCH


def _ahead(event: SimulatedEvent, encoding: Format) -> Record:
    tomorrow = event._replace(event_id=f"{event.event_id}-ahead", event_time_ms=event.event_time_ms + DAY_MS)
    return _record(Kind.MALFORMED, tomorrow, encoding)._replace(timestamp_ms=event.event_time_ms)  # CLOCK_SKEW


_MALFORMED = (_garbage, _nameless, _misplaced, _ahead)


class Traffic:
    """What was published so far. One thread publishes, others read; `publish` is that thread's."""

    def __init__(self, offer: Callable[[Sent], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._offer = offer
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[Kind] = Counter()
        self._newest_ms: dict[str, int] = {}
        self._recent: deque[tuple[float, str]] = deque(maxlen=_RECENT_EVENTS)
        self._out_of_order = 0

    def publish(self, records: Iterable[Record], publisher: Publisher, ending: threading.Event) -> None:
        """Send the records until they or the time end, and wait for the acknowledgements. Raises as the publisher."""
        for record in records:
            if ending.is_set():
                break
            sent_s = self._clock()
            publisher.send(record.user_id, record.value, record.timestamp_ms)
            self._note(record, sent_s)
        publisher.flush()

    @property
    def counts(self) -> Counter[Kind]:
        """How many records of each kind were sent."""
        with self._lock:
            return self._counts.copy()

    @property
    def out_of_order(self) -> int:
        """How many events were sent after a newer one of the same user."""
        return self._out_of_order

    def activity(self, within_s: float) -> Counter[str]:
        """How many events each user sent lately."""
        since_s = self._clock() - within_s
        with self._lock:
            return Counter(user_id for sent_s, user_id in self._recent if sent_s >= since_s)

    def newest_ms(self, user_id: str) -> int:
        """The time of a user's newest event; 0 for one without any."""
        with self._lock:
            return self._newest_ms.get(user_id, 0)

    def _note(self, record: Record, sent_s: float) -> None:
        user_id, time_ms = record.user_id, record.event_time_ms
        with self._lock:
            self._counts[record.kind] += 1
            if record.kind is not Kind.EVENT:
                return
            self._recent.append((sent_s, user_id))
            newest_ms = self._newest_ms.get(user_id, 0)
            self._out_of_order += time_ms < newest_ms
            if time_ms <= newest_ms:
                return
            self._newest_ms[user_id] = time_ms
        self._offer(Sent(user_id, time_ms, sent_s))
