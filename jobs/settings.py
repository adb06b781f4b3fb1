"""What jobs can be told: what all of them have, and the settings of score-events.

The settings of another job stand in its own file (jobs/register.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from driftline import topics
from driftline.errors import SettingError
from driftline.limits import NAMESPACE, TIME_MS_MAX
from driftline.redis_url import RedisUrl, check_login, with_password
from driftline.settings import Format, IsolationLevel, Settings, nearest
from driftline.topics import Topic
from driftline.units import DAY_MS, MIB, MINUTE_MS
from driftline.words import PLACEHOLDERS

# What shapes a job's state, its scores and where they go. The state keeps these, and a restored job that has others
# refuses to run (jobs/lineage.py); `shards` is kept on its own, for it can never change.
REMEMBERED = (
    "namespace",
    "events_topic",
    "dead_letter_topic",
    "late_topic",
    "sessions_topic",
    "scores_topic",
    "events_format",
    "disorder_ms",
    "dedupe_horizon_ms",
    "dedupe_ids_max",
    "clock_skew_ms_max",
    "event_time_min_ms",
    "event_time_max_ms",
    "session_gap_ms",
    "user_ttl_ms",
    "tail_events_max",
    "categories_max",
    "event_bytes_max",
    "currency",
    "currency_rates",
    "refused_ids",
    "refused_event_ids",
)
_MISSPELT = 0.85  # as like that is no id
ADOPTABLE = (*REMEMBERED, "feature_set")
# What Flink may lack although the job needs it (jobs/flink/guards.py).
ALLOWABLE = ("no-checkpoint-dir", "no-checkpoint-interval", "no-restart-bound")


class JobSettings(Settings):
    """What every job can be told; each has a class of its own below this one, with a prefix of its own."""

    model_config = SettingsConfigDict(frozen=True, validate_default=True, extra="forbid")
    _shown_as = "{name}"

    kafka_bootstrap: str = Field(
        "127.0.0.1:9092", min_length=1, description="host:port of Kafka, as the cluster sees it"
    )
    namespace: str = Field(
        "main", pattern=f"^{NAMESPACE}$", description="Redis namespace to write; a job runs once in each"
    )
    parallelism: int = Field(1, ge=1, le=128, description="slots to use; one a TaskManager")
    allow: str = Field("", description=f"what Flink may lack: {', '.join(ALLOWABLE)}")

    @property
    def allowed(self) -> tuple[str, ...]:
        """The names in `allow`."""
        return names_in(self.allow)

    def topic(self, topic: Topic) -> str:
        """Return the name of the topic that has this role for the job."""
        name: str = getattr(self, f"{topic.role}_topic", topic.name)
        return name

    @field_validator("allow")
    @classmethod
    def _allowable(cls, joined: str) -> str:
        return only_names_of(joined, ALLOWABLE)


class ScoreEventsSettings(JobSettings):
    """The settings of the job score-events."""

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_JOB_", frozen=True, validate_default=True, extra="forbid")
    redis_url: RedisUrl = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        min_length=1,
        description="URL of Redis (redis://, rediss://, redis+sentinel://), as the cluster sees it; a password in it "
        "becomes a part of the job",
    )
    redis_password_file: Path | None = Field(
        None, description="file with the password of Redis on every TaskManager, read when a task starts"
    )
    models_dir: Path = Field(
        Path(".driftline/models"), description="folder of the trained models, as the TaskManagers see it"
    )
    events_topic: str = Field(topics.EVENTS.name, min_length=1, description="input topic")
    dead_letter_topic: str = Field(topics.DEAD_LETTER.name, min_length=1, description="topic of dead letters")
    late_topic: str = Field(topics.LATE.name, min_length=1, description="topic of late events")
    sessions_topic: str = Field(topics.SESSIONS.name, min_length=1, description="topic of closed sessions")
    scores_topic: str = Field(topics.SCORES.name, min_length=1, description="changelog topic of scores")
    events_format: Format = Field("protobuf", description="encoding of the values on the input topic")
    isolation_level: IsolationLevel = Field(
        "read_committed", description="whether the events of aborted and open transactions are read, too"
    )
    deleted_offsets: Literal["stop", "skip"] = Field(
        "stop", description="what a job does whose next events Kafka has deleted: stop, or go on at the oldest kept"
    )
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
        MINUTE_MS,
        ge=0,
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
    clock_skew_ms_max: int = Field(5 * MINUTE_MS, ge=0, description="how far an event may be ahead of its Kafka record")
    event_time_min_ms: int = Field(
        946_684_800_000, ge=0, le=TIME_MS_MAX, description="the earliest time of an event, 2000-01-01T00:00Z by default"
    )
    event_time_max_ms: int = Field(
        4_102_444_800_000, ge=0, le=TIME_MS_MAX, description="the latest time of an event, 2100-01-01T00:00Z by default"
    )
    session_gap_ms: int = Field(30 * MINUTE_MS, ge=1, description="pause that ends a session")
    user_ttl_ms: int = Field(90 * DAY_MS, ge=MINUTE_MS, description="idle time after which a user is forgotten")
    tail_events_max: int = Field(2_000, ge=1, description="uncommitted events kept a user")
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
    event_bytes_max: int = Field(
        262_144,
        ge=1_024,
        le=1_000_000,
        description="size of the largest event that is decoded; one that is rejected fits a topic of Kafka's defaults, "
        "with its headers",
    )
    currency: str = Field(
        "",
        description="ISO 4217 code of the currency that amounts are added up in; empty: each user's own, never mixed",
    )
    currency_rates: str = Field(
        "",
        description="what one unit of other currencies is worth in `currency`, like USD=0.92,GBP=1.17; amounts without "
        "a rate are left out and counted",
    )
    refused_ids: str = Field(
        PLACEHOLDERS,
        description="user ids whose events are refused, joined by commas, in any case; @placeholders: what SDKs send "
        "for nobody (docs/events.md); empty: none",
    )
    refused_event_ids: str = Field(
        PLACEHOLDERS, description="event ids that are refused, likewise; @placeholders: what SDKs send for no id"
    )
    hot_users_named_max: int = Field(
        20, ge=0, le=1_000, description="users whose bounds overflow that a task's metrics name; 0: none is named"
    )
    redis_retry_s: float = Field(30.0, ge=0, description="how long writes to Redis are retried before the job restarts")
    model_poll_s: float = Field(1.0, gt=0, description="how often the models folder is looked at for a newer model")
    require_model: bool | None = Field(
        None,
        description="stop and retry rather than write scores without purchase_propensity; unset: true where whoever "
        "submits finds a current model in models_dir",
    )

    new_generation: bool = Field(
        False, description="a restored job takes its namespace back: its scores outrank those of jobs that began later"
    )
    adopt: str = Field(
        "", description="settings whose new values a restored job goes on with, although its state was made with others"
    )

    @property
    def adopted(self) -> tuple[str, ...]:
        """The names in `adopt`."""
        return names_in(self.adopt)

    @field_validator("adopt")
    @classmethod
    def _adoptable(cls, joined: str) -> str:
        return only_names_of(joined, ADOPTABLE)

    @field_validator("refused_ids", "refused_event_ids")
    @classmethod
    def _known_words(cls, joined: str) -> str:
        for name in names_in(joined):
            if name != PLACEHOLDERS and nearest(name, (PLACEHOLDERS,), _MISSPELT):
                message = f"should have {PLACEHOLDERS} where it has {name}"
                raise ValueError(message)
        return joined

    @field_validator("shards")
    @classmethod
    def _power_of_two(cls, shards: int) -> int:
        if shards & (shards - 1):
            message = "should be 1, 2, 4, 8, 16, 32, 64 or 128"
            raise ValueError(message)
        return shards

    @model_validator(mode="after")
    def _convertible(self) -> ScoreEventsSettings:
        if self.currency or self.currency_rates:
            from udfs.money import Currencies  # noqa: PLC0415  (a server that reads this has no need of the core)

            Currencies.parse(self.currency, self.currency_rates)
        return self

    @model_validator(mode="after")
    def _topics_differ(self) -> ScoreEventsSettings:
        """A result that is written to the input would be read again, for ever."""
        seen: dict[str, str] = {}
        for name in ("events_topic", "dead_letter_topic", "late_topic", "sessions_topic", "scores_topic"):
            topic = getattr(self, name)
            if (other := seen.setdefault(topic, name)) != name:
                message = f"{name} and {other} are both {topic!r}; each of the five topics of a job must be another"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _ordered(self) -> ScoreEventsSettings:
        check_login(self.redis_url, self.redis_password_file)
        for larger, smaller in (
            ("dedupe_horizon_ms", "disorder_ms"),  # else a duplicate inside the bound could be forgotten
            ("user_ttl_ms", "session_gap_ms"),
            ("dedupe_ids_max", "tail_events_max"),  # else a repeat of an event that still waits could be folded again
            ("user_ttl_ms", "dedupe_horizon_ms"),
            ("event_time_max_ms", "event_time_min_ms"),
            ("shards", "parallelism"),  # else slots would stay empty
        ):
            if getattr(self, larger) < getattr(self, smaller):
                message = (
                    f"{larger} ({getattr(self, larger)}) must not be less than {smaller} ({getattr(self, smaller)})"
                )
                raise ValueError(message)
        return self

    @property
    def redis_address(self) -> str:
        """The URL to connect with, password included: not to be shown. Raises SettingError without the file."""
        return with_password(self.redis_url.get_secret_value(), self.redis_password_file)

    def with_model_seen(self) -> ScoreEventsSettings:
        """With `require_model` decided, for whoever submits: a model that is there now must not be missing later."""
        if self.require_model is not None:
            return self
        return self.model_copy(update={"require_model": (self.models_dir / "current").exists()})


def names_in(joined: str) -> tuple[str, ...]:
    """What is joined by commas, without blanks around."""
    return tuple(name for part in joined.split(",") if (name := part.strip()))


def only_names_of(joined: str, known: Sequence[str]) -> str:
    """Return what is joined by commas; raises ValueError where a name is not among the known ones."""
    if not set(names_in(joined)) <= set(known):
        message = f"should be names joined by commas, of: {', '.join(known)}"
        raise ValueError(message)
    return joined


def parse_assignments(arguments: Sequence[str]) -> dict[str, str]:
    """Read `--set NAME=VALUE ...` (the flag before each or once before several).

    Raises:
        SettingError: an argument is not an assignment.
    """
    values: dict[str, str] = {}
    for number, argument in enumerate((one for one in arguments if one != "--set"), 1):
        name, equals, value = argument.partition("=")
        if not equals or not name.isidentifier():  # the argument may be a value, and secret
            message = f"argument {number} of --set is not NAME=VALUE; example: --set block_ms=100"
            raise SettingError(message)
        values[name] = value
    return values
