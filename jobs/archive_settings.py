"""The settings of archive-events."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from driftline.units import MIB
from jobs.event_settings import EventSettings


class ArchiveEventsSettings(EventSettings):
    """The settings of the job archive-events.

    Those of events should be those of score-events: the typed columns then say what that job makes of a record.
    """

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_ARCHIVE_")

    lake_url: str = Field(
        ".driftline/lake",
        min_length=1,
        description="folder, file:///folder or s3://bucket/prefix of the lake, as the TaskManagers see it; the files "
        "are below the name of events_topic in it",
    )
    s3_endpoint: str = Field(
        "",
        description="http:// or https:// URL of the server that speaks S3, for a lake there; it must be the "
        "s3.endpoint of the cluster; empty: whatever that is",
    )
    group_id: str = Field("driftline-archive-events", min_length=1, description="Kafka consumer group, for monitoring")
    deleted_offsets: Literal["stop", "skip"] = Field(
        "stop", description="what a job does whose next events Kafka has deleted: stop, or go on at the oldest kept"
    )
    block_ms: int = Field(
        500, ge=5, le=10_000, description="how long a partition's records gather before they are decoded and written"
    )
    checkpoint_s: int = Field(
        60,
        ge=1,
        le=3_600,
        description="seconds between two checkpoints; each completes the files of all hours that had records, and "
        "readers see complete files only",
    )
    file_bytes_max: int = Field(
        128 * MIB, ge=MIB, description="size at which a file is completed before the next checkpoint"
    )
    row_group_bytes: int = Field(
        4 * MIB,
        ge=64 * 1024,
        le=128 * MIB,
        description="memory that the rows of a file take before they are written: smaller where records of many hours "
        "come at a time, for each hour has a file",
    )

    @field_validator("lake_url")
    @classmethod
    def _absolute(cls, url: str) -> str:
        return url if "://" in url else str(Path(url).absolute())
