"""Labelled examples from a history of events, made by the code that serves: udfs/user.py and udfs/features.py."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driftline.errors import InputError
from driftline.jsonlines import parse_event
from udfs.decode import validate
from udfs.event import PURCHASE, Event
from udfs.features import V1, affinities, vector
from udfs.hashing import hash64
from udfs.rejects import InvalidEventError
from udfs.user import Outcome, Timeline, TimelineBounds

HORIZON_MS = 30 * 60_000  # a purchase within this time after the event makes the label 1


@dataclass(frozen=True)
class Examples:
    """n examples, one an accepted event, sorted by user and time.

    Attributes:
        vectors: float32, n x len(V1): the features as of the event, with nothing of what came after.
        labels: int8, n: 1 if the user purchased after the event, at most HORIZON_MS later.
        times_ms: int64, n: the event's time.
        user_hashes: uint64, n: hash of the user's id, to split by user.
        skipped: events of the history that could not be used (invalid, duplicate or too close to its end).
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.int8]
    times_ms: NDArray[np.int64]
    user_hashes: NDArray[np.uint64]
    skipped: int

    def __len__(self) -> int:
        return len(self.labels)


def read_history(path: Path) -> tuple[dict[str, list[Event]], int]:
    """Read JSON lines into the events of each user, and count the invalid ones.

    Raises:
        InputError: the file cannot be read, or a line is not JSON (named by its number).
    """
    users: dict[str, list[Event]] = {}
    invalid = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    message = parse_event(line)
                    users.setdefault(message.user_id, []).append(validate(message))
                except InvalidEventError:
                    invalid += 1  # what the job would make a dead letter
                except ValueError as error:
                    text = f"{path}, line {number}: {error}"
                    raise InputError(text) from None
    except OSError as error:
        text = f"{path}: {error.strerror}"
        raise InputError(text) from None
    return users, invalid


def make_examples(users: dict[str, list[Event]], bounds: TimelineBounds, invalid: int = 0) -> Examples:
    """Fold each user's events in order of time and label the features after each.

    Events of the last HORIZON_MS of the whole history are left out: whether a purchase followed is not known yet.
    """
    end_ms = max((event.time_ms for events in users.values() for event in events), default=0)
    vectors, labels, times_ms, hashes = array("f"), array("b"), array("q"), array("Q")
    for user_id in sorted(users):
        user_hash = hash64(user_id)
        purchases = sorted(event.time_ms for event in users[user_id] if event.type == PURCHASE)
        for time_ms, features in _folded(users[user_id], bounds):
            if time_ms + HORIZON_MS > end_ms:
                break
            following = bisect_right(purchases, time_ms)
            vectors.extend(features)
            labels.append(following < len(purchases) and purchases[following] - time_ms <= HORIZON_MS)
            times_ms.append(time_ms)
            hashes.append(user_hash)
    events = sum(map(len, users.values())) + invalid
    return Examples(
        np.frombuffer(vectors, np.float32).reshape(-1, len(V1)),
        np.frombuffer(labels, np.int8),
        np.frombuffer(times_ms, np.int64),
        np.frombuffer(hashes, np.uint64),
        skipped=events - len(labels),
    )


def _folded(events: list[Event], bounds: TimelineBounds) -> Iterable[tuple[int, list[float]]]:
    timeline = Timeline.begin(bounds)
    for event in sorted(events):
        if timeline.offer(event) is not Outcome.ACCEPTED:
            continue
        profile = timeline.profile()
        if not profile.empty:
            yield event.time_ms, vector(profile, affinities(profile))
