"""What the generators of events share: options, times of visits, and lines in the order of time."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

START_MS: Final = 1_748_736_000_000  # 2025-06-01T00:00:00Z
SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
USERS_MAX, DAYS_MAX = 20_000, 730  # a history is held in memory, to be sorted
LEAVING_SHARE: Final = 0.3  # of the users: they stop coming, at any time after they came first

Timed = tuple[int, dict[str, Any]]  # an event, with its time in milliseconds
Life = Callable[[Random, str, int], Iterator[Timed]]  # of a user, by id, for so many days from START_MS on


def history(life: Life, prefix: str, users: int, days: int, seed: int) -> list[str]:
    """Return the events of users, one JSON line each, in the order of time.

    Args:
        life: makes the events of one user.
        prefix: of the ids of users and events.
        users: how many, at most USERS_MAX.
        days: how long, at most DAYS_MAX.
        seed: the same one gives the same lines; a user's events do not depend on how many users there are.

    Raises:
        ValueError: too many users or days, or none.
    """
    if not (0 < users <= USERS_MAX and 0 < days <= DAYS_MAX):
        message = f"at least 1 and at most {USERS_MAX:,} users and {DAYS_MAX} days"
        raise ValueError(message)
    timed: list[tuple[int, str]] = []
    for number in range(users):
        user_id = f"{prefix}-{number}"
        rng = Random(f"{seed} {user_id}")  # a text is hashed in the same way in every process
        told = [(time_ms, json.dumps(event)) for time_ms, event in life(rng, user_id, days)]
        timed += _until_leaving(told, Random(f"{seed} {user_id} leaves"), START_MS + days * DAY_MS)
    return [line for _, line in sorted(timed)]


def _until_leaving(told: list[tuple[int, str]], rng: Random, end_ms: int) -> list[tuple[int, str]]:
    """Return the events of a user until the user leaves, which most do not: that is what models of absence learn."""
    if not told or rng.random() >= LEAVING_SHARE:
        return told
    first_ms = min(time_ms for time_ms, _ in told)
    left_ms = first_ms + rng.random() * (end_ms - first_ms)
    return [one for one in told if one[0] <= left_ms]


def visits(rng: Random, days: int, pause_days: float, hour: float, first_day: float = 0.0) -> Iterator[int]:
    """Yield the times in milliseconds at which a user comes: at about the same hour, after pauses that vary a lot.

    Args:
        rng: of the user.
        days: how long after START_MS.
        pause_days: mean of the pause between two visits; at least a day lies between them.
        hour: of the day, UTC, around which the user comes.
        first_day: before which the user does not come.
    """
    day = first_day + rng.random() * pause_days
    while day < days:
        yield START_MS + int(day) * DAY_MS + int((hour + rng.gauss(0, 1.5)) % 24 * HOUR_MS)
        day = int(day) + 1 + rng.expovariate(1.0) * max(0.0, pause_days - 1)


def main(life: Life, prefix: str, description: str) -> None:
    """Print a history, as the options on the command line say."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--users", type=int, default=500, help=f"at most {USERS_MAX:,}; 500 by default")
    parser.add_argument("--days", type=int, default=90, help=f"at most {DAYS_MAX}; 90 by default")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same events")
    options = parser.parse_args()
    try:
        lines = history(life, prefix, options.users, options.days, options.seed)
    except ValueError as error:
        parser.error(str(error))
    for line in lines:
        print(line)
