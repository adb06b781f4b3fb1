"""A fold of a history that is whole and sorted: the profile at a time, and all sessions."""

from __future__ import annotations

from typing import NamedTuple

from udfs.event import Event
from udfs.profile import Profile, ProfileBounds, Session


class Folded(NamedTuple):
    """A fold: the profile at the cut, and all sessions, the newest of which has not ended."""

    at_cut: Profile
    sessions: list[Session]

    @property
    def newest(self) -> Session | None:
        """The session that has not ended; None where there is none."""
        return self.sessions[-1] if self.sessions else None


def folded(events: list[Event], cut_ms: int, bounds: ProfileBounds) -> Folded:
    """Fold sorted events, from nothing."""
    profile, sessions = bounds.plan.blank(), list[Session]()
    at_cut: Profile | None = None
    for event in events:
        if at_cut is None and event.time_ms >= cut_ms:
            at_cut = profile.copy()
        if profile.is_ended_by(event, bounds):
            sessions.append(profile.session)
        profile.fold(event, bounds)
    if not profile.empty:
        sessions.append(profile.session)
    return Folded(profile if at_cut is None else at_cut, sessions)
