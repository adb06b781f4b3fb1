"""100,000 users to serve: profiles that simulated shoppers made, scored by the job's own code."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from console.simulator import SimulationSpec, simulate, user_event
from driftline.catalogue import PURCHASE_PROPENSITY, V1
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.units import wall_clock_ms
from jobs.pipeline import bounds_of
from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value
from udfs.decode import validate
from udfs.score_bytes import Scorable
from udfs.scoring import Scorer
from udfs.timeline import Timeline

USERS = 100_000
SHOPPERS = 2_000  # that many histories are folded; each is stored under 50 ids
EVENTS = 40_000
FEATURES_IN_FEAST = 24  # what the comparison asks for; Driftline's values carry all of set v1
WRITE_USERS = 1_000
_CARTS = next(position for position, feature in enumerate(V1) if feature.name == "session_carts")
_VIEWS = next(position for position, feature in enumerate(V1) if feature.name == "session_views")


class _StandIn:
    """A model that costs no training: serving it costs the same, whatever it answers."""

    version = "m20260101-000000-bench"

    def predict(self, vectors: Sequence[bytes]) -> list[float]:
        rows = [array("f", row) for row in vectors]
        return [1 / (1 + exp(2 - 0.7 * row[_CARTS] - 0.1 * row[_VIEWS])) for row in rows]


@dataclass(frozen=True)
class ServedUsers:
    """The same users for every contender."""

    values: list[tuple[str, bytes]]  # id and value in Driftline's layout
    table: NDArray[np.float32]  # a row a user: FEATURES_IN_FEAST features, then the three scores

    @property
    def value_bytes(self) -> float:
        """Mean size of a value."""
        return sum(len(value) for _, value in self.values) / len(self.values)

    def write(self, redis_url: str) -> None:
        """Store all of them as the job does."""
        with closing(RedisScoreStore.connect(redis_url)) as store:
            for start in range(0, len(self.values), WRITE_USERS):
                store.write(self.values[start : start + WRITE_USERS], None)


def user_id(number: int) -> str:
    """The id of a user, 0 to USERS - 1."""
    return f"user-{number:06d}"


def make_users() -> ServedUsers:
    """Simulate, fold and score; the same users in every run, but for the time of writing."""
    settings: ScoreEventsSettings = ScoreEventsSettings.load()
    bounds = bounds_of(settings)
    timelines: dict[str, Timeline] = {}
    for simulated in simulate(SimulationSpec(users=SHOPPERS, events=EVENTS, seed=4)):
        event = user_event(simulated)
        timelines.setdefault(event.user_id, Timeline.begin(bounds)).offer(validate(event))
    known = [timeline for timeline in timelines.values() if not timeline.profile().empty]
    chosen = [(user_id(number), known[number % len(known)]) for number in range(USERS)]
    now_ms, scorer = wall_clock_ms(), Scorer(plan_for(settings), {PURCHASE_PROPENSITY: _StandIn})
    values, rows = [], []
    users = [Scorable(name, timeline.profile(), timeline.accepted, {}) for name, timeline in chosen]
    for user, stored in zip(users, scorer.score(users, 1, now_ms), strict=True):
        values.append((user.user_id, encode_value(now_ms, user.accepted, stored.message)))
        message = UserScores.FromString(stored.message)
        scores = [message.scores[score_name] for score_name in ("purchase_propensity", "engagement", "churn_risk")]
        rows.append(np.concatenate([message.feature_values[:FEATURES_IN_FEAST], scores]))
    return ServedUsers(values, np.array(rows, dtype=np.float32))
