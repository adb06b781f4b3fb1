"""Which sessions of a user were published to the sessions topic, and which of them a changed session supersedes.

Events arrive out of order, so several published sessions may still change: grow, begin earlier, or merge into one. A
session never splits, because events are only added; after an erasure sessions begin anew.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from driftline.event.v1 import session_pb2
from udfs.profile import Session


class Published(NamedTuple):
    """A published session, as of its last revision."""

    start_ms: int = 0
    events: int = 0
    revision: int = 0


_NONE = Published()


class ClosedSession(NamedTuple):
    """A session to publish."""

    session: Session
    by_quiet: bool
    revision: int  # 1, or more if a later event has changed a published session
    supersedes_start_ms: tuple[int, ...]  # starts of the published sessions that have become parts of this one


def session_id(user_id: str, start_ms: int) -> str:
    """Return the id of a session: its user and when it began."""
    return f"{user_id}:{start_ms}"


def session_message(user_id: str, closed: ClosedSession) -> session_pb2.ClosedSession:
    """Return the message for the sessions topic."""
    session = closed.session
    superseded = [session_id(user_id, start_ms) for start_ms in closed.supersedes_start_ms]
    kind = session_pb2.ClosedSession
    return kind(
        session_id=session_id(user_id, session.start_ms),
        user_id=user_id,
        start_time_ms=session.start_ms,
        end_time_ms=session.end_ms,
        events=session.events,
        views=session.views,
        clicks=session.clicks,
        add_to_carts=session.add_to_carts,
        purchases=session.purchases,
        searches=session.searches,
        purchase_value=session.purchase_value,
        closed_by=kind.CLOSED_BY_QUIET if closed.by_quiet else kind.CLOSED_BY_EVENT,
        revision=closed.revision,
        supersedes_session_id="".join(superseded[:1]),
        also_supersedes_session_ids=superseded[1:],
    )


class PublishedSessions:
    """The published sessions that may still change, and always the newest one.

    Attributes:
        start_ms, events, revision: of the one with the latest start; all zeros before the first.
        before: the others, ascending by start.
    """

    __slots__ = ("before", "events", "revision", "start_ms")

    def __init__(self, before: tuple[Published, ...] = (), newest: Published = _NONE) -> None:
        self.before = before
        self.start_ms, self.events, self.revision = newest

    @property
    def rows(self) -> list[Published]:
        """All of them, ascending by start."""
        return [*self.before, Published(self.start_ms, self.events, self.revision)] if self.revision else []

    def has(self, start_ms: int, events: int) -> bool:
        """Whether the newest one is this session with as many events."""
        return self.start_ms == start_ms and self.events == events

    def publish(self, session: Session, *, by_quiet: bool) -> ClosedSession | None:
        """Return the session to publish; None if it has been published with the same start and events."""
        start_ms, end_ms, rows = session.start_ms, session.end_ms, self.rows
        if start_ms > self.start_ms:  # the usual case: it contains no published session
            self.before = tuple(rows)
            self.start_ms, self.events, self.revision = start_ms, session.events, 1
            return ClosedSession(session, by_quiet, 1, ())
        parts = [row for row in rows if start_ms <= row.start_ms <= end_ms]
        if len(parts) == 1 and (parts[0].start_ms, parts[0].events) == (start_ms, session.events):
            return None
        revision = 1 + max([row.revision for row in parts], default=0)
        others = [row for row in rows if not start_ms <= row.start_ms <= end_ms]
        *before, newest = sorted([*others, Published(start_ms, session.events, revision)])
        self.before = tuple(before)
        self.start_ms, self.events, self.revision = newest
        superseded = tuple([row.start_ms for row in parts if row.start_ms != start_ms])
        return ClosedSession(session, by_quiet, revision, superseded)

    def drop_final(self, committed_through_ms: int, current_start_ms: int) -> None:
        """Drop the sessions that no event can change any more: events before that time are late. The newest one stays.

        An event that is not late is behind the beginning of the session that follows a dropped one, and so behind its
        session gap. Those that have become parts of the current session stay: it will supersede them when it ends.
        """
        kept = [
            row
            for row, after in pairwise(self.rows)
            if after.start_ms > committed_through_ms or row.start_ms >= current_start_ms
        ]
        if len(kept) < len(self.before):
            self.before = tuple(kept)

    def clear(self) -> None:
        """Forget all."""
        self.before = ()
        self.start_ms = self.events = self.revision = 0
