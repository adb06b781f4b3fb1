"""The topic of sessions as its consumers read it: the newest revision of each id, without those that are superseded."""

from __future__ import annotations

from collections.abc import Iterable

from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.session_pb2 import ClosedSession
from tests.builders import MINUTE
from tests.e2e import records
from tests.e2e.namespace import Namespace

GAP_MS = 30 * MINUTE


def final_sessions(space: Namespace) -> dict[str, ClosedSession]:
    """What a consumer of the namespace's topic keeps, by id; how often each was published is left out."""
    found = records.read(space.stack.settings, space.topic("sessions"))
    return kept(ClosedSession.FromString(record.value) for record in found)


def kept(published: Iterable[ClosedSession]) -> dict[str, ClosedSession]:
    """The sessions that are left of these, in the order in which they are read."""
    newest: dict[str, ClosedSession] = {}
    for session in published:
        before = newest.get(session.session_id)
        if before is None or before.revision < session.revision:
            newest[session.session_id] = session
        for superseded in (session.supersedes_session_id, *session.also_supersedes_session_ids):
            newest.pop(superseded, None)
    return {name: _without_revision(session) for name, session in newest.items()}


def _without_revision(session: ClosedSession) -> ClosedSession:
    plain = ClosedSession()
    plain.CopyFrom(session)
    for name in ("revision", "supersedes_session_id", "also_supersedes_session_ids"):
        plain.ClearField(name)
    return plain


def ended_sessions(events: Iterable[UserEvent]) -> dict[str, int]:
    """The events of every session but each user's last, by its id: those that an event of a later session has ended."""
    sessions: dict[str, int] = {}
    newest: dict[str, tuple[int, str]] = {}
    for event in sorted(events, key=lambda e: (e.event_time_ms, e.event_id)):
        time_ms, session_id = newest.get(event.user_id, (0, ""))
        if event.event_time_ms - time_ms > GAP_MS:
            session_id = f"{event.user_id}:{event.event_time_ms}"
        newest[event.user_id] = event.event_time_ms, session_id
        sessions[session_id] = sessions.get(session_id, 0) + 1
    open_ids = {session_id for _, session_id in newest.values()}
    return {name: count for name, count in sessions.items() if name not in open_ids}
