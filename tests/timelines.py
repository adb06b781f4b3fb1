"""What tests look at in a timeline, besides its profile."""

from __future__ import annotations

from udfs.packed_profile import unpack_profile
from udfs.profile import Profile
from udfs.timeline import Timeline


def base_of(timeline: Timeline) -> Profile:
    """The profile that the oldest chunk begins with; all in it is committed."""
    return unpack_profile(timeline.tail.chunks[0].before, timeline.bounds.profile.plan.blank())


def committed_of(timeline: Timeline) -> Profile:
    """The profile of what is committed: what no event can change any more."""
    bounds = timeline.bounds.profile
    profile = base_of(timeline)
    for event in timeline.tail.read():
        if event.time_ms < timeline.committed_through_ms:
            profile.fold(event, bounds)
    return profile


def meaning(timeline: Timeline) -> tuple[object, ...]:
    """All of a timeline that anything that is read may depend on: not where chunks begin, nor what was published."""
    return (
        _content(timeline.profile()),
        _content(committed_of(timeline)),
        timeline.waiting(),
        (timeline.seen.hashes, timeline.seen.times_ms),
        (timeline.newest_ms, timeline.committed_through_ms, timeline.forgotten_through_ms, timeline.accepted),
        timeline.segments_published,
    )


def _content(profile: Profile) -> tuple[object, ...]:
    return profile.values, profile.texts, profile.maps, profile.series, profile.tables
