"""Labelled examples from a history of events and of silence, made by the code that serves.

What the job would refuse, call late or have forgotten makes no example: `udfs.decode` and `udfs.timeline` decide.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from history.reading import EventReader
from training.histories import LeftOut, read_files
from training.labels import PURCHASE_WITHIN_30_MIN, Label
from training.moments import Moment, Sample, Silences, moments_of, silences_of
from training.sampling import ALL_USERS, Sampling
from udfs.decode import Decoder
from udfs.event import FORGET, Event
from udfs.hashing import hash64
from udfs.plan.plan import Plan
from udfs.profile import ProfileBounds
from udfs.timeline import Outcome, Timeline, TimelineBounds

NO_CLOCKS: Final[Mapping[str, array[int]]] = {}


@dataclass(frozen=True)
class Examples:
    """n examples, one a moment: of an event that the job would still know, or of silence; sorted by user and time.

    Attributes:
        vectors: float32, n x the plan's vector: the features as of the moment, with nothing of what came after.
        labels: float64, n: what is to be predicted of each; 0 or 1 of a classification.
        times_ms: int64, n: the moment's time.
        user_hashes: uint64, n: hash of the user's id, to split by user.
        left_out: events of the history, and moments of silence, that make no example, by cause.
        ages_s: int64, n: how long the user had been silent, in seconds; 0 at events.
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.float64]
    times_ms: NDArray[np.int64]
    user_hashes: NDArray[np.uint64]
    left_out: LeftOut
    ages_s: NDArray[np.int64]

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
    found = read_files(history, decoder, now_ms, note)
    return found.users, found.left_out


def make_examples(
    users: dict[str, list[Event]],
    bounds: TimelineBounds,
    left_out: LeftOut | None = None,
    label: Label = PURCHASE_WITHIN_30_MIN,
    *,
    clocks: Mapping[str, array[int]] = NO_CLOCKS,
    newest_ms: int = 0,
    sampling: Sampling = ALL_USERS,
) -> Examples:
    """Fold what the job would keep of each user's events, in order of time, and label the features at each moment.

    Moments are the events and, where the label asks for it, the ages that a user reached in silence (moments.py).
    Those so near the end of the whole history that their label is not known yet are left out.

    Args:
        users: each user's events in the order in which they arrive.
        bounds: of the job that will score.
        left_out: what reading has left out.
        label: what is to be predicted.
        clocks: see `Histories`.
        newest_ms: how far the whole history is known, where `users` are a sample of it.
        sampling: whose bound of rows is kept; its share has been applied by reading.
    """
    left_out = LeftOut() if left_out is None else left_out
    kept = {user_id: _kept(users[user_id], bounds, left_out, clocks.get(user_id)) for user_id in sorted(users)}
    end_ms = max((event.time_ms for events in kept.values() for event in events), default=0)
    end_ms = max(end_ms, newest_ms)
    known = {user_id: label.known(events, end_ms) for user_id, events in kept.items()}
    left_out.add("without a known future", number=sum(map(len, kept.values())) - sum(known.values()))
    silences = _silences(kept, bounds.profile, label, end_ms)
    chosen = _chosen(silences, sum(known.values()), left_out)
    taken = _taken({user_id: known[user_id] + len(chosen.get(user_id, ())) for user_id in kept}, sampling, left_out)
    rows = _Rows()
    for user_id in taken:
        events = kept[user_id]
        moments = moments_of(events, known[user_id], chosen.get(user_id, ()))
        rows.add(hash64(user_id), moments, label.of(events, [one.time_ms for one in moments]))
        for features in _folded(events, moments, bounds.profile):
            rows.vectors.extend(features)
    return rows.examples(left_out)


def _taken(numbers: dict[str, int], sampling: Sampling, left_out: LeftOut) -> list[str]:
    """Return the users whose moments the sample has room for, in the order given; `numbers` are of their moments."""
    within = sampling.within(numbers)
    taken = [user_id for user_id in numbers if user_id in within]
    left_out.add("moments beyond the sample", number=sum(numbers.values()) - sum(numbers[one] for one in taken))
    return taken


class _Rows:
    """Examples while they are gathered."""

    def __init__(self) -> None:
        self.vectors = array("f")
        self._labels, self._times_ms, self._hashes, self._ages_s = array("d"), array("q"), array("Q"), array("q")

    def add(self, user_hash: int, moments: list[Moment], labels: list[float]) -> None:
        """Add the moments of a user."""
        self._labels.extend(labels)
        self._times_ms.extend([one.time_ms for one in moments])
        self._ages_s.extend([one.age_s for one in moments])
        self._hashes.extend([user_hash] * len(moments))

    def examples(self, left_out: LeftOut) -> Examples:
        """Return them."""
        number = len(self._labels)
        return Examples(
            np.frombuffer(self.vectors, np.float32).reshape(number, -1) if number else np.empty((0, 0), np.float32),
            np.frombuffer(self._labels, np.float64),
            np.frombuffer(self._times_ms, np.int64),
            np.frombuffer(self._hashes, np.uint64),
            left_out,
            np.frombuffer(self._ages_s, np.int64),
        )


def _silences(kept: dict[str, list[Event]], bounds: ProfileBounds, label: Label, end_ms: int) -> dict[str, Silences]:
    """Return the moments of silence by user; empty where the label does not ask for them."""
    plan = bounds.plan
    if not label.at_ages or not isinstance(plan, Plan):
        return {}
    return {
        user_id: silences_of(
            events, plan.ages_s, within_ms=label.within_ms, end_ms=end_ms, forgotten_after_ms=bounds.user_ttl_ms
        )
        for user_id, events in kept.items()
    }


def _chosen(silences: dict[str, Silences], events: int, left_out: LeftOut) -> dict[str, list[Moment]]:
    """Return the moments of silence that become examples, by user, beside that number of events."""
    sample = Sample(events, Counter(one.age_s for found in silences.values() for one in found.known))
    chosen = {
        user_id: [one for one in found.known if sample.keeps(user_id, one)] for user_id, found in silences.items()
    }
    left_out.add("silences without a known future", number=sum(found.unknown for found in silences.values()))
    number = sum(len(found.known) for found in silences.values())
    left_out.add("silences beyond the sample", number=number - sum(map(len, chosen.values())))
    return chosen


def _kept(
    events: list[Event], bounds: TimelineBounds, left_out: LeftOut, clocks: array[int] | None = None
) -> list[Event]:
    """What is left of a user's events at the history's end, in order of time, as the job decides it."""
    timeline, kept = Timeline.begin(bounds), list[Event]()
    for number, event in enumerate(events):
        if clocks is None:
            outcome = timeline.offer(event)
        else:
            outcome = timeline.offer(event, clocks[2 * number], clocks[2 * number + 1])
        if outcome is not Outcome.ACCEPTED:
            left_out.add(outcome.name)
        elif event.type == FORGET:
            # A profile is erased whole or not at all.
            remaining = timeline.tail.read() if not timeline.tail.chunks[0].before else kept
            left_out.add("FORGET")
            left_out.add("forgotten", number=len(kept) - len(remaining))
            kept = remaining
        elif event.known_ms > timeline.forgotten_through_ms:
            kept.append(event)
        else:
            left_out.add("forgotten")
    return sorted(kept)


def _folded(events: list[Event], moments: list[Moment], bounds: ProfileBounds) -> Iterable[list[float]]:
    """Yield the features at each moment; the moments are in order of time."""
    plan = bounds.plan
    profile = plan.blank()
    folded = 0
    for moment in moments:
        while folded <= moment.event:
            profile.fold(events[folded], bounds)
            folded += 1
        if moment.age_s and isinstance(plan, Plan):
            yield plan.vector(plan.aged(profile, moment.age_s), moment.time_ms)
        else:
            yield plan.vector(profile)
