"""The pipeline of score-events: the gates before the timeline and the stages after it, in their order.

A new gate or stage is a file in udfs/ (stages: udfs/stages/) and an entry here. The topics in a stage's entry become
outputs of the job, and `driftline up` creates them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from driftline.topics import SCORES, SEGMENTS, SESSIONS, Topic
from driftline.words import NameCounts
from jobs.base_settings import names_in
from jobs.settings import ScoreEventsSettings
from udfs.block import BlockProcessor
from udfs.decode import Decoder
from udfs.money import Currencies
from udfs.pipeline import Gate, Stage
from udfs.profile import ProfileBounds
from udfs.refused import EVENT_PLACEHOLDERS, USER_PLACEHOLDERS, RefusedIds, refused_of
from udfs.scoring import Model
from udfs.segments import Segment
from udfs.stages.overflows import Overflows
from udfs.stages.scores import Scores
from udfs.stages.segments import Segments
from udfs.stages.sessions import Sessions
from udfs.timeline import TimelineBounds

ModelOfTheMoment = Callable[[], Model | None]


class StageEntry(NamedTuple):
    """A stage: how it is built from the job's settings, and the topics that it emits to."""

    build: Callable[[ScoreEventsSettings, ModelOfTheMoment], Stage]
    writes: tuple[Topic, ...] = ()


def refused_ids_of(settings: ScoreEventsSettings) -> RefusedIds:
    """Return the gate that refuses placeholder ids and listed ones."""
    return RefusedIds(
        users=refused_of(names_in(settings.refused_ids), USER_PLACEHOLDERS),
        events=refused_of(names_in(settings.refused_event_ids), EVENT_PLACEHOLDERS),
    )


GATES: tuple[Callable[[ScoreEventsSettings], Gate], ...] = (refused_ids_of,)
STAGES: tuple[StageEntry, ...] = (
    StageEntry(lambda _, model: Scores(model), writes=(SCORES,)),
    StageEntry(lambda settings, _: Sessions(settings.session_gap_ms), writes=(SESSIONS,)),
    StageEntry(lambda settings, _: Segments(segments_of(settings)), writes=(SEGMENTS,)),
    StageEntry(lambda _settings, _model: Overflows()),
)


def stage_topics() -> tuple[Topic, ...]:
    """Return the topics that the stages emit to, in the order of the stages."""
    return tuple(topic for entry in STAGES for topic in entry.writes)


def segments_of(_settings: ScoreEventsSettings) -> Sequence[Segment]:
    """Return the segments that are declared; the shipped set declares none."""
    return ()


def processor_of(settings: ScoreEventsSettings, model: ModelOfTheMoment) -> BlockProcessor:
    """Return the processor that folds blocks and runs the stages; `model` returns None while there is no model."""
    return BlockProcessor(
        topic=settings.events_topic,
        decoder=decoder_of(settings),
        bounds=bounds_of(settings),
        stages=[entry.build(settings, model) for entry in STAGES],
        bytes_max=settings.block_bytes_max,
    )


def decoder_of(settings: ScoreEventsSettings) -> Decoder:
    """Return the decoder of the job's input, with its gates."""
    return Decoder(
        events_format=settings.events_format,
        event_bytes_max=settings.event_bytes_max,
        clock_skew_ms_max=settings.clock_skew_ms_max,
        event_time_min_ms=settings.event_time_min_ms,
        event_time_max_ms=settings.event_time_max_ms,
        currencies=Currencies.parse(settings.currency, settings.currency_rates),
        gates=[build(settings) for build in GATES],
        unknown_types=NameCounts(settings.block_events_max),  # taken after each block
    )


def bounds_of(settings: ScoreEventsSettings) -> TimelineBounds:
    """Return the bounds of every user's timeline."""
    return TimelineBounds(
        disorder_ms=settings.disorder_ms,
        dedupe_horizon_ms=settings.dedupe_horizon_ms,
        dedupe_ids_max=settings.dedupe_ids_max,
        tail_events_max=settings.tail_events_max,
        clock_skew_ms_max=settings.clock_skew_ms_max,
        profile=ProfileBounds(
            session_gap_ms=settings.session_gap_ms,
            user_ttl_ms=settings.user_ttl_ms,
            categories_max=settings.categories_max,
        ),
    )
