"""What the job's topics say of records: which were late, and which were dead letters, by user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from console.dead_letters.records import DeadLetter
from history.healing import Place

Places = Mapping[bytes, set[Place]]
NOWHERE: frozenset[Place] = frozenset()


@dataclass
class LateUsers:
    """Who has late events.

    Attributes:
        places: the places on the events topic of all late events, by the record's key.
        first: of the users who are to be looked at: the first record on each partition of the late topic.
        failed_ms: of them: when the newest of their late events was rejected.
        ends: behind the last record of each partition of the late topic.
    """

    places: dict[bytes, set[Place]] = field(default_factory=dict)
    first: dict[bytes, dict[int, int]] = field(default_factory=dict)
    failed_ms: dict[bytes, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)


def late_users(
    letters: Iterable[DeadLetter],
    events_topic: str,
    *,
    begins: Mapping[int, int],
    since_ms: int = 0,
    users: frozenset[bytes] = frozenset(),
) -> LateUsers:
    """Read the late topic.

    Args:
        letters: all of it.
        events_topic: late events of other topics are left out.
        begins: users are looked at who have a late event from this offset on, by partition of the late topic.
        since_ms: or rather one that was rejected then or later, where this is given.
        users: look at these alone; empty: at all.
    """
    found = LateUsers()
    for letter in letters:
        place, source, key = letter.place, letter.source, letter.key
        found.ends[place.partition] = max(place.offset + 1, found.ends.get(place.partition, 0))
        if source is None or source.topic != events_topic or not key:
            continue
        found.places.setdefault(key, set()).add((source.partition, source.offset))
        is_new = letter.failed_at_ms >= since_ms if since_ms else place.offset >= begins.get(place.partition, 0)
        if is_new and (not users or key in users):
            first = found.first.setdefault(key, {})
            first[place.partition] = min(place.offset, first.get(place.partition, place.offset))
            found.failed_ms[key] = max(letter.failed_at_ms, found.failed_ms.get(key, 0))
    return found


def rejected_places(
    letters: Iterable[DeadLetter], events_topic: str, users: Iterable[bytes]
) -> dict[bytes, set[Place]]:
    """Return the places of the users' records that are dead letters, by the record's key."""
    wanted, found = set(users), dict[bytes, set[Place]]()
    for letter in letters:
        source, key = letter.source, letter.key
        if key in wanted and source is not None and source.topic == events_topic:
            found.setdefault(key or b"", set()).add((source.partition, source.offset))
    return found


def refusals(letters: Iterable[DeadLetter], events_topic: str) -> dict[Place, str]:
    """Return why records were rejected, by their places."""
    return {
        (letter.source.partition, letter.source.offset): letter.message
        for letter in letters
        if letter.source is not None and letter.source.topic == events_topic
    }


def next_begins(
    late: LateUsers, begins: Mapping[int, int], open_users: Iterable[bytes], now_ms: int, give_up_ms: int
) -> dict[int, int]:
    """Return where the next run begins on each partition of the late topic.

    That is behind all that was read, or at the first late event of a user who is to be tried again; one whose newest
    late event was rejected longer than `give_up_ms` ago is not.
    """
    ends = {**begins, **late.ends}
    for key in open_users:
        if late.failed_ms.get(key, 0) + give_up_ms < now_ms:
            continue
        for partition, offset in late.first.get(key, {}).items():
            ends[partition] = min(offset, ends[partition])
    return ends
