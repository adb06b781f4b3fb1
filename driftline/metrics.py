"""The catalogues of metrics, each with the operator's next move.

`JobMetric` and `JobGauge`: Flink's, of score-events, in the group `driftline`; `ArchiveMetric`: likewise, of
archive-events. `ServingMetric`: the gRPC server's, for Prometheus. `AuditMetric`: of `driftline audit --metrics-file`,
which a node exporter reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Literal


class JobMetric(StrEnum):
    """Counters of the job score-events. The first five add up to the events read."""

    EVENTS_ACCEPTED = "events_accepted"  # folded and scored
    EVENTS_DUPLICATE = "events_duplicate"  # a jump: a producer retries without need
    EVENTS_LATE = "events_late"  # rising: raise disorder_ms, or find the slow producer; they are on the late topic
    EVENTS_DEAD_LETTER = "events_dead_letter"  # rising: read the dead-letter topic's driftline.errors.reason
    EVENTS_LEFT_OUT = "events_left_out"  # of other users than a replay's only_users; not 0 in a live job: submit anew
    FORGETS_LATE = "forgets_late"  # obeyed behind the frontier; rising: find what delays erasure requests
    HEALS_APPLIED = "heals_applied"  # users whose late events `driftline heal` has put in place
    HEALS_REFUSED = "heals_refused"  # orders that did not fit; rising run by run: docs/runbook.md, healing late events
    BLOCKS = "blocks"  # events_accepted / blocks: the batch that pays for one crossing and one model call
    BLOCKS_SPLIT = "blocks_split"  # rising: a hot shard; raise block_events_max or lower block_ms
    BLOCKS_EMPTY = "blocks_empty"  # not 0: the clock was set back; slew it, and compare the totals with the offsets
    SCORES_WRITTEN = "scores_written"  # accepted by Redis as newer
    SCORES_OUTRANKED = "scores_outranked"  # not 0: a job of a later generation wrote there; resubmit --new-generation
    QUIET_CHECKS = "quiet_checks"  # users looked at because they were due: quiet, or older; docs/capacity.md: the price
    SCORES_AGED = "scores_aged"  # of them, scored at an age; near 0 with ages declared: see the runbook, ages
    SESSIONS_CLOSED = "sessions_closed"  # published
    DEDUPE_IDS_OVERFLOW = (
        "dedupe_ids_overflow"  # ids dropped before their horizon: raise dedupe_ids_max, or find the bot
    )
    TAIL_OVERFLOW = (
        "tail_overflow"  # events committed before the disorder bound: raise tail_events_max, or find the bot
    )
    TYPES_UNKNOWN = "types_unknown"  # read, folded as CUSTOM: compare the producer's words with docs/events.md
    AMOUNTS_LEFT_OUT = "amounts_left_out"  # purchases, refunds in another currency: declare currency, currency_rates
    CATEGORIES_OVERFLOW = "categories_overflow"  # categories dropped: raise categories_max, or clean up the catalogue
    MODEL_LOADS = "model_loads"  # models picked up
    MODEL_LOAD_FAILURES = "model_load_failures"  # not 0: the newest model cannot be used; see the TaskManager's log


class ArchiveMetric(StrEnum):
    """Counters of the job archive-events."""

    RECORDS_ARCHIVED = "records_archived"  # written; of a running job they are in the lake after its next checkpoint
    RECORDS_NO_EVENT = "records_no_event"  # of them, no events; a jump: `driftline lake` counts them by reason


@dataclass(frozen=True)
class NamedCounter:
    """One of the job's counters that stands, in each task, once for each of the first `names_max` names, as a label."""

    name: str
    label: str
    names_max: int
    next_move: str


class JobNamed(Enum):
    """Counters of the job score-events by name. Names are data from outside: bounded in number and printable."""

    DEAD_LETTERS = NamedCounter(
        "dead_letters", "reason", 20, "one that rises: docs/runbook.md has whose move each reason is"
    )
    UNKNOWN_TYPES = NamedCounter(
        "unknown_types",
        "event_type",
        50,
        "compare the word with docs/events.md, and correct the producer; what means a type everywhere belongs there",
    )
    # The setting hot_users_named_max is its bound. The label is a user id: docs/security.md.
    HOT_USERS = NamedCounter(
        "hot_users",
        "user_id",
        20,
        "a bot, or nobody: put the id on refused_ids; a user: raise tail_events_max and dedupe_ids_max",
    )
    SEGMENTS_ENTERED = NamedCounter(
        "segments_entered", "segment", 200, "0 for long: compare its declaration with what events are sent"
    )
    SEGMENTS_LEFT = NamedCounter(
        "segments_left", "segment", 200, "as many as enter: users flap; set `leave` apart from `enter`, or `min_stay`"
    )


class JobGauge(StrEnum):
    """What is the case now in the job score-events, a slot; whole numbers, as of its newest block."""

    MODEL_PRESENT = "model_present"  # 0 or 1; 0: a score that only a model makes is missing; train, or mend its folder
    MODEL_LOOK_AGE_S = "model_look_age_s"  # since the last finished look at the models folder; grows: the folder hangs
    TIMER_MS_MAX = "timer_ms_max"  # the longest look at users who are due, since the task began; above 100: a slow disk
    CHECKS_BEHIND_S = "checks_behind_s"  # how long those looked at last had been due; above 600, and grows: more slots
    REDIS_MEMORY_PERCENT = "redis_memory_percent"  # used of maxmemory, 0 without one; 85 and more: give it memory
    REDIS_EVICTED_KEYS = "redis_evicted_keys"  # since Redis was started; rises: scores are missing; more memory


@dataclass(frozen=True)
class Metric:
    """One Prometheus metric. The name ends with its unit; `buckets` are a histogram's upper bounds in that unit."""

    name: str
    kind: Literal["histogram", "counter", "gauge"]
    unit: str
    help: str
    next_move: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# From a tenth of the fastest answer to the longest deadline; about two a factor of two where the target lies.
_LATENCY_S = (0.0001, 0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1, 5)
_AGE_S = (0.1, 1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000)
_USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 500, 1_000)


class ServingMetric(Enum):
    """Metrics of the gRPC server, over all workers."""

    REQUEST_LATENCY = Metric(
        "driftline_serving_request_latency_seconds",
        "histogram",
        "seconds",
        "time from the decoded request to the answer, or a stream's life, by method and status code",
        "p99 up with redis_latency: Redis; up alone: the workers are busy, add workers or servers",
        ("method", "code"),
        _LATENCY_S,
    )
    IN_FLIGHT = Metric(
        "driftline_serving_requests_in_flight",
        "gauge",
        "calls",
        "calls that run, streams included",
        "less watch_streams, near in_flight_max x workers: add workers or servers before calls are rejected",
    )
    REJECTED = Metric(
        "driftline_serving_rejected_calls_total",
        "counter",
        "calls",
        "calls refused: unauthenticated, permission_denied, resource_exhausted, unavailable, or never_sent",
        "unauthenticated, permission_denied: read the audit log; resource_exhausted: add capacity, or find "
        "the client that has its share (client_in_flight_max), or the `too large` lines in the audit log; unavailable: "
        "look at Redis; never_sent: a client begins calls and sends no message within request_wait_ms",
        ("reason",),
    )
    READ_USERS = Metric(
        "driftline_serving_read_users",
        "histogram",
        "users",
        "users of one read of Redis: gathered single calls, a batch, or a look at watched users",
        "1 under load: calls are not gathered, because Redis answers faster than calls come; that is fine",
        (),
        _USERS,
    )
    REDIS_LATENCY = Metric(
        "driftline_serving_redis_latency_seconds",
        "histogram",
        "seconds",
        "time of one read of Redis; outcome is ok or outage",
        "up: look at Redis (SLOWLOG, CPU, network); outage: see the breaker",
        ("outcome",),
        _LATENCY_S,
    )
    SCORE_AGE = Metric(
        "driftline_serving_score_age_seconds",
        "histogram",
        "seconds",
        "age of served scores, now minus written_at_ms, of one answer in 64",
        "grows for everyone: the job has stopped writing; look at its lag and its restarts",
        (),
        _AGE_S,
    )
    STALE = Metric(
        "driftline_serving_stale_answers_total",
        "counter",
        "users",
        "users answered from memory because Redis was unavailable (serve_stale)",
        "rising: Redis is unavailable; it ends stale_age_s_max after the outage began",
    )
    BREAKER = Metric(
        "driftline_serving_breaker_state",
        "gauge",
        "state",
        "0 closed, 1 half open, 2 open; the highest of the workers, as of their newest read",
        "2: Redis does not answer; the reads that try it do so every breaker_reset_ms; after `redis login refused` in "
        "the log, every login_retry_ms",
    )
    HEALTH = Metric(
        "driftline_serving_health",
        "gauge",
        "state",
        "0 does not serve, 1 serves from memory alone (serve_stale), 2 fresh; the lowest of the workers",
        "below 2: Redis is unavailable; at 1 users that were not seen lately get UNAVAILABLE, and at 0 all do",
    )
    REDIS_MEMORY = Metric(
        "driftline_serving_redis_memory_ratio",
        "gauge",
        "ratio",
        "used memory of Redis by its maxmemory, 0 without one, of the fullest node; looked at every 30 s",
        "0.85 and more: give Redis memory, or delete namespaces that nobody reads; at 1 it refuses writes, or evicts",
    )
    REDIS_EVICTED = Metric(
        "driftline_serving_redis_evicted_keys",
        "gauge",
        "keys",
        "keys that Redis has evicted since it was started, over all nodes; looked at every 30 s",
        "rises: scores go missing until their users' next events; give Redis memory, set noeviction",
    )
    WATCH_STREAMS = Metric(
        "driftline_serving_watch_streams",
        "gauge",
        "streams",
        "open streams of WatchScores",
        "falls to 0: the server restarted, or the clients left",
    )
    WATCHED_USERS = Metric(
        "driftline_serving_watched_users",
        "gauge",
        "users",
        "users that open streams watch, counted once a stream",
        "near watched_users_max x workers: add servers, or raise it and watch redis_latency",
    )


class AuditMetric(Enum):
    """What the newest run of `driftline audit` has found."""

    SHARE = Metric(
        "driftline_audit_differing_ratio",
        "gauge",
        "ratio",
        "users whose served values differ from what their records give, of the users that were compared",
        "above 0: `driftline audit --user ID` for one of the users that the run has named; docs/runbook.md, audit",
        ("namespace",),
    )
    COMPARED = Metric(
        "driftline_audit_compared_users",
        "gauge",
        "users",
        "users that were compared",
        "falls to 0: nothing is checked; read what the command says",
        ("namespace",),
    )
    NOT_COMPARED = Metric(
        "driftline_audit_not_compared_users",
        "gauge",
        "users",
        "users that were not compared: expired, moving (their values moved on), or behind (records are missing)",
        "behind above 0: the lake lags and the topic does not answer, or has deleted what the lake does not have",
        ("namespace", "reason"),
    )
    SCORES = Metric(
        "driftline_audit_differing_score_users",
        "gauge",
        "users",
        "compared users in whom a score differs, by the score",
        "one score alone: its model or formula; all of them: the users' events",
        ("namespace", "score"),
    )
    FEATURES = Metric(
        "driftline_audit_differing_feature_users",
        "gauge",
        "users",
        "compared users in whom a feature differs, by the feature",
        "one feature alone: its declaration, or its code",
        ("namespace", "feature"),
    )
    RAN_AT = Metric(
        "driftline_audit_last_run_timestamp_seconds",
        "gauge",
        "seconds",
        "when the newest run ended, since the epoch",
        "older than the schedule: the command does not run, or fails",
        ("namespace",),
    )
    DURATION = Metric(
        "driftline_audit_duration_seconds",
        "gauge",
        "seconds",
        "how long the newest run took",
        "nears the schedule: audit fewer users, or less often",
        ("namespace",),
    )
