"""The settings of score-events. Those that all jobs have in common are in jobs/base_settings.py."""

from __future__ import annotations

import json

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from driftline import topics
from driftline.limits import USER_TTL_DAYS
from driftline.units import DAY_MS, KIB, MIB, MINUTE_MS
from jobs.base_settings import ModelSettings, ScoreStoreSettings, names_in, only_names_of
from jobs.event_settings import EventSettings
from jobs.replay_settings import ReplaySettings

# The settings that shape a job's state, its scores and their destinations. The state keeps them, and a restored job
# with other values refuses to run (jobs/lineage.py). `shards` is kept separately, because it can never change.
REMEMBERED = (
    "namespace",
    "events_topic",
    "dead_letter_topic",
    "late_topic",
    "sessions_topic",
    "segments_topic",
    "scores_topic",
    "events_format",
    "events_framing",
    "disorder_ms",
    "dedupe_horizon_ms",
    "dedupe_ids_max",
    "clock_skew_ms_max",
    "event_time_min_ms",
    "event_time_max_ms",
    "session_gap_ms",
    "user_ttl_ms",
    "tail_events_max",
    "tail_bytes_max",
    "categories_max",
    "event_bytes_max",
    "currency",
    "currency_rates",
    "refused_ids",
    "refused_event_ids",
)
# What is remembered, too, but by the content of what the settings name (jobs/lineage.py).
BY_CONTENT = ("events_mapping", "feature_set")
ADOPTABLE = (*REMEMBERED, *BY_CONTENT)


class ScoreEventsSettings(EventSettings, ReplaySettings, ScoreStoreSettings, ModelSettings):
    """The settings of the job score-events."""

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_JOB_")

    dead_letter_topic: str = Field(topics.DEAD_LETTER.name, min_length=1, description="topic of dead letters")
    late_topic: str = Field(topics.LATE.name, min_length=1, description="topic of late events")
    sessions_topic: str = Field(topics.SESSIONS.name, min_length=1, description="topic of closed sessions")
    segments_topic: str = Field(topics.SEGMENTS.name, min_length=1, description="topic of changes of segments")
    scores_topic: str = Field(topics.SCORES.name, min_length=1, description="changelog topic of scores")
    group_id: str = Field("driftline-score-events", min_length=1, description="Kafka consumer group, for monitoring")
    shards: int = Field(
        8,
        ge=1,
        le=128,
        description="groups of users whose events are folded together, a power of two; the most slots the job can ever "
        "use; fixed once it has state",
    )
    block_ms: int = Field(50, ge=5, le=10_000, description="how long a shard's events gather before they are folded")
    block_events_max: int = Field(
        1_000, ge=1, le=100_000, description="events folded, scored and written at a time; a larger block is split"
    )
    disorder_ms: int = Field(
        DAY_MS,
        ge=0,
        le=30 * DAY_MS,
        description="how far behind its user's newest event, and its partition's newest record, one may be",
    )
    partition_drift_ms_max: int = Field(
        0,
        ge=0,
        description="how far, in record time, a partition is read ahead of the slowest, which may hold events of the "
        "same users; 0: without a bound",
    )
    partition_idle_ms: int = Field(
        5_000, ge=1_000, description="how long a partition may be silent before the others are not held back for it"
    )
    dedupe_horizon_ms: int = Field(DAY_MS, ge=0, description="how long, in event time, event ids are remembered")
    dedupe_ids_max: int = Field(4_096, ge=1, description="event ids remembered a user")
    session_gap_ms: int = Field(30 * MINUTE_MS, ge=1, description="pause that ends a session")
    user_ttl_ms: int = Field(
        USER_TTL_DAYS * DAY_MS, ge=MINUTE_MS, description="idle time after which a user is forgotten"
    )
    tail_events_max: int = Field(
        2_000, ge=1, description="uncommitted events kept a user; the oldest of more count as committed"
    )
    tail_bytes_max: int = Field(
        256 * KIB, ge=4 * KIB, description="bytes of the uncommitted events kept a user, likewise"
    )
    categories_max: int = Field(32, ge=10, le=1_000, description="categories whose affinity is kept a user")
    block_bytes_max: int = Field(
        32 * MIB,
        ge=MIB,
        description="bytes of events, and of memory for their users' states, folded at a time; a larger block is split",
    )
    users_kept_max: int = Field(10_000, ge=0, description="users kept decoded in memory, an operator")
    users_kept_bytes_max: int = Field(
        64 * MIB, ge=0, description="memory that the users kept decoded may take; outside the JVM's heap"
    )
    hot_users_named_max: int = Field(
        20, ge=0, le=1_000, description="users whose bounds overflow that a task's metrics name; 0: none is named"
    )
    adopt: str = Field(
        "", description="settings whose new values a restored job goes on with, although its state was made with others"
    )

    @property
    def model_folders(self) -> dict[str, str]:
        """See ModelSettings; those of the declarations, which must be readable where it is asked.

        A score that has a formula, too, needs no model.
        """
        from jobs.plans import compile_plan  # noqa: PLC0415  (it needs these settings, and a server needs no core)

        scores = json.loads(compile_plan(self))["scores"]
        return {
            one["name"]: one.get("folder") or one["name"] for one in scores if one.get("model") and "expr" not in one
        }

    @property
    def adopted(self) -> tuple[str, ...]:
        """The names in `adopt`."""
        return names_in(self.adopt)

    @field_validator("adopt")
    @classmethod
    def _adoptable(cls, joined: str) -> str:
        return only_names_of(joined, ADOPTABLE)

    @field_validator("shards")
    @classmethod
    def _power_of_two(cls, shards: int) -> int:
        if shards & (shards - 1):
            message = "should be 1, 2, 4, 8, 16, 32, 64 or 128"
            raise ValueError(message)
        return shards

    @model_validator(mode="after")
    def _topics_differ(self) -> ScoreEventsSettings:
        """A result that is written to the input topic would be read again, for ever."""
        seen: dict[str, str] = {}
        for name in (field for field in type(self).model_fields if field.endswith("_topic")):
            topic = getattr(self, name)
            if not topic:  # there is none: records do not come from a lake
                continue
            if (other := seen.setdefault(topic, name)) != name:
                message = f"{name} and {other} are both {topic!r}; the topics of a job must differ"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _ordered(self) -> ScoreEventsSettings:
        for larger, smaller in (
            ("dedupe_horizon_ms", "disorder_ms"),  # otherwise the id of an event that is not late could be forgotten
            ("user_ttl_ms", "session_gap_ms"),
            ("dedupe_ids_max", "tail_events_max"),  # otherwise a repeat of an uncommitted event could be folded again
            ("user_ttl_ms", "dedupe_horizon_ms"),
            ("shards", "parallelism"),  # otherwise slots would stay idle
        ):
            if getattr(self, larger) < getattr(self, smaller):
                message = (
                    f"{larger} ({getattr(self, larger)}) must not be less than {smaller} ({getattr(self, smaller)})"
                )
                raise ValueError(message)
        return self
