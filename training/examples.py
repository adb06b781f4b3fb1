"""Labelled examples from a history of events, made by the code that serves.

What the job would refuse, call late or have forgotten makes no example: `udfs.decode` and `udfs.timeline` decide.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from history.reading import EventReader
from training.labels import PURCHASE_WITHIN_30_MIN, Label
from udfs.decode import Decoder
from udfs.event import FORGET, Event
from udfs.hashing import hash64
from udfs.profile import ProfileBounds
from udfs.rejects import InvalidEventError
from udfs.timeline import Outcome, Timeline, TimelineBounds

_EVENTS_A_NOTE = 10_000


class LeftOut:
    """Events that make no example, counted by cause.

    A cause is the reason of a dead letter, LATE, DUPLICATE, FORGET, or in words.

    Attributes:
        counts: by cause.
        first: where and why it was met first, where that is known.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.first: dict[str, str] = {}

    def add(self, cause: str, where: str = "", number: int = 1) -> None:
        """Count events; nothing where there are none."""
        if number:
            self.counts[cause] = self.counts.get(cause, 0) + number
            if where:
                self.first.setdefault(cause, where)

    def __str__(self) -> str:
        """One line, the most frequent first; empty if nothing was left out."""
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return "; ".join(f"{number:,} {cause}{self._first(cause)}" for cause, number in ranked)

    def _first(self, cause: str) -> str:
        if cause == Outcome.LATE.name:
            return " (in the order of the file; sort it by time where it is a history)"
        return f" (first in {self.first[cause]})" if cause in self.first else ""


@dataclass(frozen=True)
class Examples:
    """n examples, one an event that the job would still know, sorted by user and time.

    Attributes:
        vectors: float32, n x the plan's vector: the features as of the event, with nothing of what came after.
        labels: float64, n: what is to be predicted of each; 0 or 1 of a classification.
        times_ms: int64, n: the event's time.
        user_hashes: uint64, n: hash of the user's id, to split by user.
        left_out: events of the history that make no example, by cause.
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.float64]
    times_ms: NDArray[np.int64]
    user_hashes: NDArray[np.uint64]
    left_out: LeftOut

    def __len__(self) -> int:
        return len(self.labels)


def read_history(
    history: EventReader, decoder: Decoder, now_ms: int, note: Callable[[str], object] = lambda text: None
) -> tuple[dict[str, list[Event]], LeftOut]:
    """Read files into the events of each user, in their order, without those that the job would refuse.

    Args:
        history: reads the files.
        decoder: that of the job that will score.
        now_ms: wall-clock time, which no event may be far ahead of.
        note: called now and then with how far it is.

    Raises:
        InputError: a file cannot be read, or holds what is no event (named by its place).
    """
    users: dict[str, list[Event]] = {}
    left_out = LeftOut()
    for message, _ in history:
        try:
            # As `driftline publish` stamps the record: with the event's time, never with the future.
            event = decoder.event_of(message, min(message.event_time_ms, now_ms), now_ms)
            users.setdefault(message.user_id, []).append(event)
        except InvalidEventError as error:
            left_out.add(error.reason.value, f"{history.place}: {error}")
        if not history.good % _EVENTS_A_NOTE:
            note(f"reading the history: {history.good:,} events")
    left_out.add("that are no events", number=history.bad)
    left_out.add("without what the mapping asks for", number=history.left_out)
    return users, left_out


def make_examples(
    users: dict[str, list[Event]],
    bounds: TimelineBounds,
    left_out: LeftOut | None = None,
    label: Label = PURCHASE_WITHIN_30_MIN,
) -> Examples:
    """Fold what the job would keep of each user's events, in order of time, and label the features after each.

    Events so near the end of the whole history that their label is not known yet are left out.

    Args:
        users: each user's events in the order in which they arrive.
        bounds: of the job that will score.
        left_out: what reading has left out.
        label: what is to be predicted.
    """
    left_out = LeftOut() if left_out is None else left_out
    kept = {user_id: _kept(users[user_id], bounds, left_out) for user_id in sorted(users)}
    end_ms = max((event.time_ms for events in kept.values() for event in events), default=0)
    vectors, labels, times_ms, hashes = array("f"), array("d"), array("q"), array("Q")
    for user_id, events in kept.items():
        known = label.known(events, end_ms)
        left_out.add("without a known future", number=len(events) - known)
        for time_ms, features in _folded(events[:known], bounds.profile):
            vectors.extend(features)
            times_ms.append(time_ms)
        labels.extend(label.of(events)[:known])
        hashes.extend([hash64(user_id)] * known)
    return Examples(
        np.frombuffer(vectors, np.float32).reshape(len(times_ms), -1) if times_ms else np.empty((0, 0), np.float32),
        np.frombuffer(labels, np.float64),
        np.frombuffer(times_ms, np.int64),
        np.frombuffer(hashes, np.uint64),
        left_out,
    )


def _kept(events: list[Event], bounds: TimelineBounds, left_out: LeftOut) -> list[Event]:
    """What is left of a user's events at the history's end, in order of time, as the job decides it."""
    timeline, kept = Timeline.begin(bounds), list[Event]()
    for event in events:
        outcome = timeline.offer(event)
        if outcome is not Outcome.ACCEPTED:
            left_out.add(outcome.name)
        elif event.type == FORGET:
            # A profile is erased whole or not at all.
            remaining = timeline.tail[:] if timeline.committed.empty else kept
            left_out.add("FORGET")
            left_out.add("forgotten", number=len(kept) - len(remaining))
            kept = remaining
        elif event.known_ms > timeline.forgotten_through_ms:
            kept.append(event)
        else:
            left_out.add("forgotten")
    return sorted(kept)


def _folded(events: list[Event], bounds: ProfileBounds) -> Iterable[tuple[int, list[float]]]:
    profile = bounds.plan.blank()
    for event in events:
        profile.fold(event, bounds)
        yield event.time_ms, bounds.plan.vector(profile)
