"""A local replay in this process and into memory: for notebooks, which need no services."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from console.replaying import outputs
from console.replaying.local import tasks_of
from console.replaying.worker import LakePart, work
from driftline.catalogue_message import Catalogue, catalogue_of
from driftline.units import wall_clock_ms
from history.lake.sequence import in_sequence
from jobs import lineage
from jobs.bundle import bind, bundle_of
from jobs.lineage import Submission
from jobs.settings import ScoreEventsSettings
from sink_connectors.in_memory_store import InMemoryScoreStore
from sink_connectors.score_store import Progress
from udfs.shards import shard_keys


class InMemory(NamedTuple):
    """What a replay into memory has made.

    Attributes:
        store: the scores, with the face of a namespace of Redis (`console.comparing` compares two).
        catalogue: what its scores and features are called.
        totals: the four counters.
    """

    store: InMemoryScoreStore
    catalogue: Catalogue
    totals: Progress


def replay_in_memory(
    settings: ScoreEventsSettings,
    *,
    since: str = "",
    until: str = "",
    users: Collection[str] = (),
    out: Path | None = None,
) -> InMemory:
    """Fold the lake that the settings name, as `driftline replay --local` does, in this process.

    Args:
        settings: as of a job: its declarations, `lake_url` and the rest.
        since: the first event date, like 2026-01-05; empty: all.
        until: the last one, likewise.
        users: whose records count; empty: everybody's.
        out: a folder for sessions, changes of segments, late events and dead letters, as JSON lines; None: none.

    Raises:
        InputError: there is no lake, or nothing in it.
    """
    lake = LakePart(settings.lake_url, settings.s3_endpoint, settings.events_topic, since, until)
    turns = list(in_sequence(lake.open().stretches()))
    bundle = bundle_of(settings)
    if users:
        bundle = bundle._replace(only_users=tuple(sorted(set(users))))
    bound = bind(bundle, settings)
    submission = Submission(wall_clock_ms(), restored=False)
    store = InMemoryScoreStore()
    states = lineage.resume({}, shard_keys(settings.shards), settings, submission, bound)
    store.claim(lineage.claim(states, "in-memory", settings, unproven=False))
    epoch = store.declare_segments({segment.name: segment.definition for segment in bound.plan.segments})
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        outputs.remove_parts(out)
    (task,) = tasks_of(settings, bundle, submission, lake, turns, epoch, out, processes=1)
    ended = work(task, store, lambda _: None)
    for key, report in ended.reports.items():
        store.write([], (key, report))
    if out is not None:
        outputs.join(out, range(1))
    catalogue = Catalogue.parse(catalogue_of(bound.plan.data, {}))
    return InMemory(store, catalogue, Progress.total(report.totals for report in ended.reports.values()))
