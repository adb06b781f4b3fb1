"""What to simulate: the arguments of `driftline simulate`, checked once."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime

from driftline.errors import SettingError
from driftline.limits import TIME_MS_MAX
from driftline.units import DAY_MS

EVENTS_DEFAULT = 10_000
START_DEFAULT_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
DAYS_DEFAULT = 14.0
# Bounds. A million events take about 200 MB while they are made, a million users about as much.
USERS_MAX = 5_000_000
EVENTS_MAX = 50_000_000
RATE_MAX = 1_000_000.0
DISORDER_MS_MAX = 30 * DAY_MS  # as much as a job can be told to wait for
DAYS_MAX = 3_660.0
DURATION_S_MAX = 366 * DAY_MS / 1_000


@dataclass(frozen=True, kw_only=True)
class SimulationSpec:
    """Frozen arguments of a simulation. Raises SettingError naming the option and what it accepts.

    Without `rate` a history is made: `events` events between `start_ms` and `days` later, a pure function of this spec.
    With `rate` the traffic is live: event times follow a clock until `events` or `duration_s` is reached, whichever
    comes first. `None` stands for the default: of `events` 10,000 in a history and no end in live traffic.
    """

    users: int
    events: int | None = None
    seed: int = 0
    disorder_ms: int = 0
    duplicates: float = 0.0
    leaving: float = 0.0
    start_ms: int | None = None
    days: float | None = None
    rate: float | None = None
    duration_s: float | None = None

    def __post_init__(self) -> None:
        _within("--users", self.users, 1, USERS_MAX)
        _within("--seed", self.seed, 0, 2**63 - 1)
        _within("--disorder-ms", self.disorder_ms, 0, DISORDER_MS_MAX)
        _within("--duplicates", self.duplicates, 0, 1)
        _within("--leaving", self.leaving, 0, 1)
        if self.events is not None:
            _within("--events", self.events, 1, EVENTS_MAX)
        if self.start_ms is not None:
            _within("--start", self.start_ms, 1, TIME_MS_MAX)
        if self.days is not None:
            _within("--days", self.days, 0.001, DAYS_MAX)
        if self.rate is not None:
            _within("--rate", self.rate, 0.01, RATE_MAX)
        if self.duration_s is not None:
            _within("--duration-s", self.duration_s, 0.001, DURATION_S_MAX)
        self._refuse_mixtures()

    def _refuse_mixtures(self) -> None:
        if self.rate is None and self.duration_s is not None:
            message = "--duration-s needs --rate: a history ends after --days"
            raise SettingError(message)
        if self.rate is not None and (self.start_ms is not None or self.days is not None):
            message = "--start and --days are for a history: with --rate, event times follow the clock"
            raise SettingError(message)
        if self.rate is not None and self.leaving:
            message = "--leaving is for a history: with --rate, nobody stays away for long enough to be missed"
            raise SettingError(message)

    @property
    def history_events(self) -> int:
        """How many events a history has."""
        return EVENTS_DEFAULT if self.events is None else self.events

    @property
    def history_start_ms(self) -> int:
        """When a history begins."""
        return START_DEFAULT_MS if self.start_ms is None else self.start_ms

    @property
    def history_ms(self) -> int:
        """How long a history is."""
        return round((DAYS_DEFAULT if self.days is None else self.days) * DAY_MS)


def parse_start(text: str) -> int:
    """Milliseconds since the epoch of an ISO 8601 date or time; without a zone it is UTC. Raises SettingError."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return round(moment.timestamp() * 1_000)
    except (ValueError, OverflowError):
        message = f"--start must be an ISO 8601 date or time such as 2026-01-01T00:00:00Z, not {text!r}"
        raise SettingError(message) from None


def id_prefix(*parts: object) -> str:
    """Six characters that stand for `parts`: event ids are this and a counter."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big")
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    return "".join(alphabet[number >> (5 * place) & 31] for place in range(6))


def _within(option: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        message = f"{option} must be between {low:,} and {high:,}, not {value}".replace(".0 ", " ")
        raise SettingError(message)
