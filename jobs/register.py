"""The register of Driftline's jobs: a job is a file in jobs/ and an entry here.

This module must import neither Flink nor the core: the command line reads it on machines without them. A job's file
therefore imports Flink inside `build`, or its settings are in a file of their own, as those of score-events are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from driftline.errors import SettingError
from driftline.topics import DEAD_LETTER, EVENTS, LATE, Topic
from jobs.archive_settings import ArchiveEventsSettings
from jobs.base_settings import JobSettings, ModelSettings, ScoreStoreSettings
from jobs.settings import ScoreEventsSettings

if TYPE_CHECKING:
    from pyflink.datastream import StreamExecutionEnvironment

    from jobs.lineage import Submission

    Build = Callable[[StreamExecutionEnvironment, JobSettings, Submission], None]

_PREFIX = re.compile(r"DRIFTLINE_([A-Z0-9]+_)+")


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What the commands and tests need to know about a job.

    Attributes:
        name: as in `driftline submit NAME`; in Flink the job is called `NAME NAMESPACE`.
        summary: what it does, in one line.
        module: its module, which has `build(env, settings, submission)` and, run as a script, submits the job
            (jobs/flink/running.py).
        settings: the class of its settings. Its `env_prefix` belongs to this job alone; its base classes say what the
            job needs (jobs/base_settings.py).
        reads: its input topics.
        writes: returns its output topics.
    """

    name: str
    summary: str
    module: str
    settings: type[JobSettings]
    reads: tuple[Topic, ...]
    writes: Callable[[], tuple[Topic, ...]] = tuple

    @property
    def script(self) -> str:
        """Its file, below the folder of the packages."""
        return f"{self.module.replace('.', '/')}.py"

    @property
    def prefix(self) -> str:
        """The prefix of its settings' environment variables."""
        return self.settings.prefix()

    @property
    def keeps_scores(self) -> bool:
        """Whether it keeps scores and progress in a namespace of Redis."""
        return issubclass(self.settings, ScoreStoreSettings)

    @property
    def reads_models(self) -> bool:
        """Whether it reads trained models."""
        return issubclass(self.settings, ModelSettings)

    def graph(self) -> Build:
        """Return the function that builds the job's graph; imports Flink."""
        build: Build = import_module(self.module).build
        return build


def register(*specs: JobSpec) -> dict[str, JobSpec]:
    """Return the jobs by name.

    Raises:
        ValueError: two jobs have the same name, or one could read the environment variables of another.
    """
    found: dict[str, JobSpec] = {}
    for spec in specs:
        if not _PREFIX.fullmatch(spec.prefix):
            message = f"{spec.name}: env_prefix is {spec.prefix!r}, not like DRIFTLINE_NAME_OF_THE_JOB_"
            raise ValueError(message)
        for other in found.values():
            if spec.name == other.name or spec.prefix.startswith(other.prefix) or other.prefix.startswith(spec.prefix):
                message = f"{spec.name} ({spec.prefix}) and {other.name} ({other.prefix}) have variables in common"
                raise ValueError(message)
        found[spec.name] = spec
    return found


def _score_events_topics() -> tuple[Topic, ...]:
    from jobs.pipeline import stage_topics  # noqa: PLC0415  (imports the core)

    return DEAD_LETTER, LATE, *stage_topics()


JOBS: Final[Mapping[str, JobSpec]] = register(
    JobSpec(
        name="score-events",
        summary="user events become scores in Redis and on Kafka",
        module="jobs.score_events",
        settings=ScoreEventsSettings,
        reads=(EVENTS,),
        writes=_score_events_topics,
    ),
    JobSpec(
        name="archive-events",
        summary="the records of the events topic become Parquet files of a lake",
        module="jobs.archive_events",
        settings=ArchiveEventsSettings,
        reads=(EVENTS,),
    ),
)


def spec_of(name: str) -> JobSpec:
    """Return the job of this name.

    Raises:
        SettingError: there is none; the message lists the known jobs.
    """
    if name not in JOBS:
        message = f"unknown job {name!r}; known are: {', '.join(JOBS)}"
        raise SettingError(message)
    return JOBS[name]


def all_topics() -> tuple[Topic, ...]:
    """Return the topics that the jobs read and write, each once."""
    found = {topic.name: topic for spec in JOBS.values() for topic in (*spec.reads, *spec.writes())}
    return tuple(found.values())
