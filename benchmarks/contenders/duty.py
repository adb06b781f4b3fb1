"""What every contender owes an event, from Driftline's pure core; what differs is how a framework keeps and moves it.

Decode, drop repeats, put the user's events in order, fold them into session features v1, ask the same model, and write
the newest scores to Redis so that an older value never replaces a newer one.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import redis

from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.event.v1.event_pb2 import UserEvent
from driftline.models import ModelFolder
from driftline.onnx_model import OnnxModel
from driftline.units import wall_clock_ms
from jobs.pipeline import bounds_of
from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from sink_connectors.score_store import Progress, RedisScoreStore
from sink_connectors.score_value import encode_value, progress_key, user_key
from state_schemas.user_state import decode_user, encode_user
from udfs.decode import validate
from udfs.event import Event
from udfs.score_bytes import Scorable
from udfs.scoring import Scorer
from udfs.timeline import Outcome, Timeline

_SETTINGS: ScoreEventsSettings = ScoreEventsSettings.load()  # Driftline's defaults are everybody's
PLAN = plan_for(_SETTINGS)
BOUNDS = bounds_of(_SETTINGS, PLAN)
TTL_MS = _SETTINGS.user_ttl_ms
REPORT_S = 0.05  # how often the totals go to Redis
QUIET_S_MAX = 60.0  # without any event for so long, reporting ends

# The guard for one user, as one would write it first: the version is the first 16 bytes of a value.
GUARDED_SET = """
local stored = redis.call('GETRANGE', KEYS[1], 0, 15)
if #stored == 16 then
  local new_generation, new_accepted = struct.unpack('>I8I8', ARGV[1])
  local generation, accepted = struct.unpack('>I8I8', stored)
  if new_generation < generation or (new_generation == generation and new_accepted <= accepted) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


@dataclass(frozen=True)
class Task:
    """What a contender is given, as one JSON argument."""

    kafka: str
    topic: str
    redis_url: str
    namespace: str
    models_dir: str
    events: int  # in the topic; the contender is done when all are accounted for
    folder: str  # for whatever it keeps on disk

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Task:
        """The inverse of to_json."""
        return cls(**json.loads(text))

    def load_model(self) -> OnnxModel:
        """The model in use."""
        folder = ModelFolder(Path(self.models_dir))
        return folder.load(folder.current_version())

    def connect(self) -> redis.Redis:
        """A client of Redis."""
        return redis.Redis.from_url(self.redis_url)

    def connect_store(self) -> RedisScoreStore:
        """Driftline's own writer: one script call for many users."""
        return RedisScoreStore.connect(self.redis_url, namespace=self.namespace)


def decode(value: bytes) -> tuple[str, Event]:
    """The user and the event of a record."""
    message = UserEvent.FromString(value)
    return message.user_id, validate(message)


def read_state(state: bytes | None) -> Timeline:
    """A user's timeline from its state; a new one for a user without."""
    return decode_user(state, BOUNDS) if state is not None else Timeline.begin(BOUNDS)


def write_state(timeline: Timeline) -> bytes:
    """A user's timeline as bytes; what it gathered for a caller is dropped."""
    state = encode_user(timeline)
    timeline.clear_gathered()
    return state


def score_users(users: Sequence[tuple[str, Timeline]], model: OnnxModel) -> list[tuple[str, bytes]]:
    """The values to store for these users, with one call of the model."""
    scorable = [Scorable(user_id, timeline.profile(), timeline.accepted, {}) for user_id, timeline in users]
    known = [user for user in scorable if not user.profile.empty]
    values = {user.user_id: encode_value(1, user.accepted, b"") for user in scorable if user.profile.empty}
    scorer = Scorer(PLAN, {PURCHASE_PROPENSITY: lambda: model})
    for user, scores in zip(known, scorer.score(known, 1, wall_clock_ms()), strict=True):
        values[user.user_id] = encode_value(1, user.accepted, scores.message)
    return list(values.items())


class GuardedWriter:
    """Writes one user's value a call, with a script registered as redis-py teaches."""

    def __init__(self, task: Task) -> None:
        self._script: Any = task.connect().register_script(GUARDED_SET)
        self._namespace = task.namespace

    def write(self, user_id: str, value: bytes) -> None:
        """One round trip."""
        self._script(keys=[user_key(self._namespace, user_id)], args=[value, TTL_MS])


class Accounts:
    """Counts where events went; a thread of its own tells Redis, where the benchmark looks."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._counts = dict.fromkeys(Outcome, 0)
        threading.Thread(target=self._report, daemon=True).start()

    def add(self, outcome: Outcome, number: int = 1) -> None:
        """Count events whose work is done."""
        self._counts[outcome] += number

    def _report(self) -> None:
        client, key = self._task.connect(), progress_key(self._task.namespace)
        told, told_at_s = 0, time.monotonic()
        while told < self._task.events and time.monotonic() < told_at_s + QUIET_S_MAX:
            counts = self._counts
            folded = counts[Outcome.ACCEPTED], counts[Outcome.DUPLICATE], counts[Outcome.LATE]
            totals = Progress(*folded, counts[Outcome.ID_REUSED])
            if totals.events != told:
                client.hset(key, "0", totals.encode())
                told, told_at_s = totals.events, time.monotonic()
            time.sleep(REPORT_S)


@functools.cache
def accounts(task: Task) -> Accounts:
    """One for the process: in Flink's thread mode operators share it."""
    return Accounts(task)
