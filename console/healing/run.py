"""One run of healing: reads the topics, makes the orders, sends them, and asks what the job made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Protocol

from console.dead_letters.records import DeadLetter
from console.healing.facts import NOWHERE, LateUsers
from driftline.errors import InputError
from history.healing import Healing, Job, Place, Record, UserHistory, Verdict

APPLIED, REFUSED, SENT, NOT_SENT = "applied", "refused", "sent", "not-sent"


class Sender(Protocol):
    """Sends the order of a user; returns where it stands, once it is acknowledged. InputError: the topic refuses it."""

    def __call__(self, user_id: str, value: bytes, timestamp_ms: int) -> Callable[[], Place]:
        """Send it."""


class Sent(NamedTuple):
    """An order that was sent."""

    key: bytes
    place: Place


@dataclass
class Audit:
    """What a run did for a user; one line of JSON.

    Attributes:
        user_id: the user.
        verdict: of the healer; of an order: applied, refused, sent (the job has not said), or not-sent.
        late_events: how many the order puts in place.
        cut_ms: everything before is replaced; 0 without an order.
        cause: why it was refused or not sent.
    """

    heal_id: str
    user_id: str
    verdict: str
    late_events: int = 0
    cut_ms: int = 0
    partition: int = -1
    offset: int = -1
    cause: str = ""

    def line(self) -> dict[str, Any]:
        """The line's content."""
        return asdict(self)


@dataclass
class Run:
    """The state of a run.

    Args:
        heal_id: names it.
        job: that reads the topic.
        late: who has late events.
        rejected: the places of the users' dead letters.
        send: sends an order; None: a dry run.

    Attributes:
        deleted: how many offsets of the events topic are gone; set by who opens it.
    """

    heal_id: str
    job: Job
    late: LateUsers
    rejected: Mapping[bytes, set[Place]]
    send: Sender | None
    audits: dict[bytes, Audit] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    deleted: int = 0

    def passes(self, users_max: int) -> Iterator[list[bytes]]:
        """The users who are to be looked at, so many at a time, because their history is kept in memory."""
        keys = sorted(self.late.first)
        for start in range(0, len(keys), users_max):
            yield keys[start : start + users_max]

    def read(self, keys: Iterable[bytes], events: Iterable[DeadLetter]) -> dict[bytes, UserHistory]:
        """Read the events topic for some users."""
        late, rejected = self.late.places, self.rejected
        histories = {
            key: UserHistory(key.decode(errors="replace"), self.job, late.get(key, NOWHERE), rejected.get(key, NOWHERE))
            for key in keys
        }
        for one in events:
            history = histories.get(one.key or b"")
            if history is not None:
                history.read(Record(one.place.partition, one.place.offset, one.written_ms, one.key, one.value))
        return histories

    def heal(self, histories: Mapping[bytes, UserHistory], pace: Callable[[Iterable[bytes]], Iterable[bytes]]) -> None:
        """Make the users' orders and send them, at the given pace."""
        waiting: list[tuple[bytes, Callable[[], Place]]] = []
        for key in pace(list(histories)):
            history = histories[key]
            found = history.healing(self.heal_id)
            audit = Audit(self.heal_id, history.user_id, found.verdict.value, found.late, found.cut_ms)
            self.audits[key] = audit
            if found.verdict is Verdict.HEAL and self.send is not None:
                try:
                    waiting.append((key, self._send(self.send, history.user_id, found)))
                    audit.verdict = SENT
                except InputError as error:
                    audit.verdict, audit.cause = NOT_SENT, str(error)
        for key, place_of in waiting:
            place = place_of()
            self.audits[key].partition, self.audits[key].offset = place
            self.sent.append(Sent(key, place))

    def _send(self, send: Sender, user_id: str, found: Healing) -> Callable[[], Place]:
        stamp_ms = found.timestamp_ms if found.timestamp_ms > 0 else self.job.now_ms
        return send(user_id, found.order, stamp_ms)

    def answer(self, processed: Callable[[Sent], bool], refused: Mapping[Place, str]) -> None:
        """Note what the job made of the orders: it has processed them, and those that are dead letters were refused."""
        for one in self.sent:
            audit = self.audits[one.key]
            if one.place in refused:
                audit.verdict, audit.cause = REFUSED, refused[one.place]
            elif processed(one):
                audit.verdict = APPLIED

    def open_users(self) -> list[bytes]:
        """The users who are to be tried again: refused, not processed yet, or not sent."""
        again = (REFUSED, SENT, NOT_SENT)
        return [key for key, audit in self.audits.items() if audit.verdict in again]

    def summary(self) -> dict[str, int]:
        """How many users were looked at, late events healed, and users by verdict."""
        verdicts = Counter(audit.verdict for audit in self.audits.values())
        healed = sum(audit.late_events for audit in self.audits.values() if audit.verdict == APPLIED)
        return {"users": len(self.audits), "late_events_healed": healed, **dict(sorted(verdicts.items()))}
