"""The catalogue of the job's metrics: Flink counters in the group `driftline`, each with the operator's next move."""

from __future__ import annotations

from enum import StrEnum


class JobMetric(StrEnum):
    """Counters of the job score-events. The first four add up to the events read."""

    EVENTS_ACCEPTED = "events_accepted"  # folded and scored
    EVENTS_DUPLICATE = "events_duplicate"  # a jump: a producer retries without need
    EVENTS_LATE = "events_late"  # rising: raise disorder_ms, or find the slow producer; they are on the late topic
    EVENTS_DEAD_LETTER = "events_dead_letter"  # rising: read the dead-letter topic's driftline.errors.reason
    BLOCKS = "blocks"  # events_accepted / blocks: the batch that pays for one crossing and one model call
    BLOCKS_SPLIT = "blocks_split"  # rising: a hot shard; raise block_events_max or lower block_ms
    SCORES_WRITTEN = "scores_written"  # accepted by Redis as newer; flat while events come in: a stale generation
    SESSIONS_CLOSED = "sessions_closed"  # published
    DEDUPE_IDS_OVERFLOW = (
        "dedupe_ids_overflow"  # ids dropped before their horizon: raise dedupe_ids_max, or find the bot
    )
    TAIL_OVERFLOW = (
        "tail_overflow"  # events committed before the disorder bound: raise tail_events_max, or find the bot
    )
    CATEGORIES_OVERFLOW = "categories_overflow"  # categories dropped: raise categories_max, or clean up the catalogue
    MODEL_LOADS = "model_loads"  # models picked up
    MODEL_LOAD_FAILURES = "model_load_failures"  # not 0: the newest model cannot be read; see the TaskManager's log
