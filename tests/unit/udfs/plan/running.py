"""Runs a declared project over messages, through the compiler, the processor and the codec of states."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings as hypothesis_settings

from driftline.event.v1.event_pb2 import UserEvent
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.state.v1.state_pb2 import ShardState
from jobs.bundle import Bound
from jobs.pipeline import bounds_of, processor_of
from jobs.plans import bind_plan
from jobs.settings import ScoreEventsSettings
from state_schemas.layouts import StoredLayouts
from state_schemas.users import Timelines
from tests.builders import NOW, States, block, fold_block, job_settings, scores_of
from tests.timelines import meaning
from tests.unit.declarations.projects import plan_of_files
from tests.unit.udfs.plan.histories import DISORDER_MS, GAP_MS, USER_TTL_MS
from udfs.profile import Profile


def examples(number: int) -> hypothesis_settings:
    """So many examples of a test; ten times as many with --hypothesis-profile=many."""
    many = hypothesis_settings.get_current_profile_name() == "many"
    return hypothesis_settings(max_examples=number * 10 if many else number)


@functools.cache
def settings() -> ScoreEventsSettings:
    """The job's settings."""
    return job_settings(disorder_ms=DISORDER_MS, session_gap_ms=GAP_MS, user_ttl_ms=USER_TTL_MS)


@dataclass
class Job:
    """A job with a plan: fold blocks, then look at what it has written.

    Attributes:
        compiled: the plan as the job gets it.
        cached_max: how many timelines are kept as objects between blocks; with 0, all states are decoded again.
        scores: the newest of each user.
        dead: how many records were refused.
        plan: as bound.
    """

    compiled: str
    cached_max: int = 0
    states: States = field(default_factory=States)
    shard: ShardState = field(default_factory=lambda: ShardState(generation=1))
    scores: dict[str, bytes | None] = field(default_factory=dict)
    dead: int = 0

    def __post_init__(self) -> None:
        plan = self.plan = bind_plan(self.compiled, settings())
        bounds = bounds_of(settings(), plan)
        self._processor = processor_of(settings(), {}, Bound(plan))
        self.users = Timelines(self.states, bounds, self.cached_max, 2**26, StoredLayouts(plan.layout))
        self._offset = 0

    def fold(self, messages: Sequence[UserEvent]) -> None:
        """Fold messages as one block."""
        records = block(*messages, offset=self._offset)
        self._offset += len(messages)
        result = fold_block(self._processor, records, self.shard, self.users, NOW)
        self.scores |= scores_of(result)
        self.dead += len(result.dead_letters) + len(result.late)

    def message(self, user_id: str = "me") -> UserScores | None:
        """The newest scores of a user; None without any."""
        scores = self.scores.get(user_id)
        return None if scores is None else UserScores.FromString(scores)

    def profile(self, user_id: str) -> Profile:
        """A user's profile as of the newest event, read from the state."""
        timeline = self.users.peek(user_id)
        assert timeline is not None
        return timeline.profile()

    def present(self, user_id: str) -> tuple[object, ...]:
        """All that a user's state means."""
        timeline = self.users.peek(user_id)
        return () if timeline is None else meaning(timeline)


def compiled(declared: dict[str, Any]) -> str:
    """A project's plan; JSON is YAML, too."""
    return json.dumps(plan_of_files(project=json.dumps(declared)))


def in_blocks(messages: Sequence[UserEvent], sizes: Sequence[int]) -> Iterator[Sequence[UserEvent]]:
    """The messages in consecutive blocks of these sizes."""
    at = 0
    for size in sizes:
        yield messages[at : at + size]
        at += size
