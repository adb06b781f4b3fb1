"""The jobs of Driftline, the one register: a job is a file in jobs/ and an entry here.

Light: the command line reads it on machines that have neither Flink nor the core.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from driftline.topics import DEAD_LETTER, EVENTS, LATE, Topic
from jobs.settings import JobSettings, ScoreEventsSettings


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What everything around a job has to know of it.

    Attributes:
        name: as in `driftline submit NAME`.
        summary: what it does, in a line.
        script: its file, below the folder of the packages.
        settings: what it can be told; their prefix is the job's own.
        reads: its input topics.
        writes: returns its output topics.
    """

    name: str
    summary: str
    script: str
    settings: type[JobSettings]
    reads: tuple[Topic, ...]
    writes: Callable[[], tuple[Topic, ...]]


def _score_events_topics() -> tuple[Topic, ...]:
    from jobs.pipeline import stage_topics  # noqa: PLC0415  (imports the core)

    return DEAD_LETTER, LATE, *stage_topics()


_ALL = (
    JobSpec(
        name="score-events",
        summary="user events become scores in Redis and on Kafka",
        script="jobs/score_events.py",
        settings=ScoreEventsSettings,
        reads=(EVENTS,),
        writes=_score_events_topics,
    ),
)
JOBS: Final[Mapping[str, JobSpec]] = {spec.name: spec for spec in _ALL}


def all_topics() -> tuple[Topic, ...]:
    """Return the topics that the jobs read and write, each once."""
    found = {topic.name: topic for spec in JOBS.values() for topic in (*spec.reads, *spec.writes())}
    return tuple(found.values())
