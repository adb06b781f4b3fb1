"""The settings of score-events in each phase of a replay. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from console.replaying.note import Phase, Replay
from console.replaying.topics import output_names
from jobs.register import JobSpec
from jobs.replay_settings import offsets_text, replay_settings
from jobs.settings import ScoreEventsSettings

JOB: Final = "score-events"
# What the command decides, and how it is told.
OWN: Final[Mapping[str, str]] = {
    "namespace": "NAMESPACE",
    "parallelism": "--parallelism",
    "start_offsets": "--since or --from-offsets",
    "until_offsets": "--until",
    "chunks_topic": "--from lake",
    "only_users": "--user or --users",
    "events_a_s_max": "--rate",
    "events_topic": "DRIFTLINE_EVENTS_TOPIC",
    "lake_url": "--lake",
    "lake_dates": "--dates",
}


def of_phase(spec: JobSpec, namespace: str, replay: Replay) -> dict[str, str]:
    """Return the assignments that the job is submitted with in the replay's phase; what was given comes last."""
    own = {"namespace": namespace, "group_id": f"driftline-{namespace}", "events_topic": replay.topic}
    own |= output_names(spec, namespace) | {"parallelism": str(replay.parallelism)}
    if replay.phase is Phase.LIVE:
        return own | dict(replay.settings)
    own |= replay_settings(replay.parallelism, replay.events_a_s_max) | dict(replay.settings)
    if replay.only_users:
        own["only_users"] = replay.only_users
    if replay.phase is Phase.LAKE and replay.lake is not None:
        lake = replay.lake
        own |= {"chunks_topic": lake.chunks_topic, "lake_url": lake.url}
        own |= {"s3_endpoint": lake.s3_endpoint} if lake.s3_endpoint else {}
        return own | ({"lake_dates": f"{lake.since}..{lake.until}"} if lake.since or lake.until else {})
    starts = {number: max(one.start, one.lake_until) for number, one in replay.parts.items()}
    own["start_offsets"] = offsets_text(starts)
    if until := {number: one.until for number, one in replay.parts.items() if one.until is not None}:
        own["until_offsets"] = offsets_text(until)
    return own


def without_secrets(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the assignments that may be kept."""
    secret = {name for name, field in ScoreEventsSettings.model_fields.items() if field.annotation is SecretStr}
    return {name: value for name, value in settings.items() if name not in secret}
