"""The pipeline of score-events: the gates before the timeline and the stages after it, in their order.

A new gate or stage is a file in udfs/ (stages: udfs/stages/) and an entry here. The topics in a stage's entry become
outputs of the job, and `driftline up` creates them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from driftline.topics import SCORES, SEGMENTS, SESSIONS, Topic
from driftline.values.reading import ValueReader
from driftline.words import NAMES_MAX, NameCounts
from jobs.base_settings import names_in
from jobs.bundle import Bound, bound_for
from jobs.event_settings import EventSettings
from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from state_schemas.due import PAGE_USERS_MAX
from udfs.block import BlockProcessor
from udfs.checks import Checks
from udfs.declared_events import EventTypes
from udfs.decode import Decoder
from udfs.hashing import hash128
from udfs.money import Currencies
from udfs.pipeline import Gate, Stage
from udfs.plan.plan import Plan
from udfs.profile import ProfileBounds
from udfs.refused import EVENT_PLACEHOLDERS, USER_PLACEHOLDERS, RefusedIds, refused_of
from udfs.scoring import Model
from udfs.stages.ages import Ages
from udfs.stages.overflows import Overflows
from udfs.stages.scores import Scores
from udfs.stages.segments import Segments
from udfs.stages.sessions import Sessions
from udfs.timeline import TimelineBounds

_AGED_EVALUATIONS_MAX: Final = 25_000  # of features and memberships in one call; each takes 0.5 to 2 us

Models = Mapping[str, Callable[[], Model | None]]  # by score; each returns the model of the moment, if there is one


class Made(NamedTuple):
    """What stages are built from."""

    settings: ScoreEventsSettings
    plan: Plan
    models: Models


class StageEntry(NamedTuple):
    """A stage.

    Attributes:
        build: makes it.
        writes: the topics that it emits to.
        at_end: whether what it makes of a user in the end does not depend on its having run before: where nobody waits
            for results, it may run once, after all blocks.
    """

    build: Callable[[Made], Stage]
    writes: tuple[Topic, ...] = ()
    at_end: bool = False


def refused_ids_of(settings: EventSettings) -> RefusedIds:
    """Return the gate that refuses placeholder ids and listed ones."""
    return RefusedIds(
        users=refused_of(names_in(settings.refused_ids), USER_PLACEHOLDERS),
        events=refused_of(names_in(settings.refused_event_ids), EVENT_PLACEHOLDERS),
    )


def checks_of(made: Made) -> Checks:
    """Return what says when users are due."""
    settings, plan = made.settings, made.plan
    return Checks(settings.session_gap_ms, settings.user_ttl_ms, plan.ages_s, sessions=plan.sessions)


def aged_max_of(plan: Plan) -> int:
    """Return how many users one call of a timer scores at an age, so that it takes less than 50 ms.

    A page of users, which takes 4 ms with the shipped set, and fewer with a plan that evaluates much: memberships of
    segments are looked at at each age on the way. A user of 200 features and 50 segments takes 0.4 ms, interpreted 0.9.
    """
    evaluated = len(plan.definitions) + len(plan.segments) * len(plan.ages_s)
    return min(PAGE_USERS_MAX, max(1, _AGED_EVALUATIONS_MAX // max(1, evaluated)))


GATES: tuple[Callable[[EventSettings], Gate], ...] = (refused_ids_of,)
STAGES: tuple[StageEntry, ...] = (
    StageEntry(lambda made: Scores(made.plan, made.models), writes=(SCORES,), at_end=True),
    StageEntry(lambda made: Sessions(checks_of(made), published=made.plan.sessions), writes=(SESSIONS,)),
    StageEntry(lambda made: Ages(made.plan, checks_of(made)), at_end=True),
    StageEntry(lambda made: Segments(made.plan.segments), writes=(SEGMENTS,), at_end=True),
    StageEntry(lambda _: Overflows()),
)


def stage_topics() -> tuple[Topic, ...]:
    """Return the topics that the stages emit to, in the order of the stages."""
    return tuple(topic for entry in STAGES for topic in entry.writes)


def processor_of(
    settings: ScoreEventsSettings, models: Models, bound: Bound | None = None, stages: Sequence[Stage] | None = None
) -> BlockProcessor:
    """Return the processor that folds blocks and runs the stages.

    Args:
        settings: of the job.
        models: of the scores that have one.
        bound: the declarations and the reader of values; None: what the settings name now, with the process's plan,
            which only one thread may use.
        stages: those that run; None: all, in their order.
    """
    bound = bound or bound_for(settings)
    if stages is None:
        stages = [entry.build(Made(settings, bound.plan, models)) for entry in STAGES]
    return BlockProcessor(
        topic=settings.events_topic,
        decoder=decoder_of(settings, bound),
        bounds=bounds_of(settings, bound.plan),
        stages=stages,
        bytes_max=settings.block_bytes_max,
        aged_max=aged_max_of(bound.plan),
        folding=folding_of(settings, bound),
        only_keys=bound.only_keys,
    )


def folding_of(settings: ScoreEventsSettings, bound: Bound) -> str:
    """Name the declarations, the mapping and the settings that a profile depends on beside the events themselves."""
    parts = (
        bound.plan.hash,
        bound.mapping_hash,
        settings.session_gap_ms,
        settings.user_ttl_ms,
        settings.categories_max,
        settings.currency,
        settings.currency_rates,
    )
    return hash128(" ".join(map(str, parts)))


def decoder_of(settings: ScoreEventsSettings, bound: Bound | None = None) -> Decoder:
    """Return the decoder of the job's input, with its gates and the declared events; `bound` as in `processor_of`."""
    bound = bound or bound_for(settings)
    return decoder_with(settings, bound.plan.data["events"], bound.values, settings.block_events_max)


def decoder_with(
    settings: EventSettings,
    plan_events: Sequence[Mapping[str, Any]],
    values: ValueReader | None,
    unknown_types_max: int = NAMES_MAX,
) -> Decoder:
    """Return the decoder of a job that decodes events.

    Args:
        settings: of the job.
        plan_events: the plan's "events".
        values: reads the values of the input topic; None for plain ones.
        unknown_types_max: how many unknown types are counted by name, until they are taken.
    """
    currencies = Currencies.parse(settings.currency, settings.currency_rates)
    return Decoder(
        events_format=settings.events_format,
        event_bytes_max=settings.event_bytes_max,
        clock_skew_ms_max=settings.clock_skew_ms_max,
        event_time_min_ms=settings.event_time_min_ms,
        event_time_max_ms=settings.event_time_max_ms,
        currencies=currencies,
        gates=[build(settings) for build in GATES],
        unknown_types=NameCounts(unknown_types_max),
        event_types=EventTypes.of(plan_events, currencies),
        values=values,
    )


def bounds_of(settings: ScoreEventsSettings, plan: Plan | None = None) -> TimelineBounds:
    """Return the bounds of every user's timeline; without a plan, by the process's plan of the settings."""
    return TimelineBounds(
        disorder_ms=settings.disorder_ms,
        dedupe_horizon_ms=settings.dedupe_horizon_ms,
        dedupe_ids_max=settings.dedupe_ids_max,
        tail_events_max=settings.tail_events_max,
        tail_bytes_max=settings.tail_bytes_max,
        clock_skew_ms_max=settings.clock_skew_ms_max,
        profile=ProfileBounds(
            session_gap_ms=settings.session_gap_ms,
            user_ttl_ms=settings.user_ttl_ms,
            plan=plan or plan_for(settings),
        ),
    )
