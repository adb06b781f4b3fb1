"""The settings that say which records of a topic are events: those of every job that decodes them.

They are read on machines without Flink and without the core.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from driftline import topics
from driftline.limits import TIME_MS_MAX
from driftline.settings import IsolationLevel, nearest
from driftline.units import MINUTE_MS
from driftline.words import PLACEHOLDERS
from jobs.base_settings import names_in
from jobs.input_settings import InputSettings

_MISSPELT: Final = 0.85  # an id that is this similar to @placeholders is taken for a misspelling of it


class EventSettings(InputSettings):
    """The settings of a job that decodes events: two jobs with the same ones find the same records to be events."""

    events_topic: str = Field(topics.EVENTS.name, min_length=1, description="input topic")
    isolation_level: IsolationLevel = Field(
        "read_committed", description="whether the events of aborted and open transactions are read, too"
    )
    event_bytes_max: int = Field(
        262_144,
        ge=1_024,
        le=1_000_000,
        description="size of the largest event that is decoded; one that is rejected fits a topic of Kafka's defaults, "
        "with its headers",
    )
    clock_skew_ms_max: int = Field(5 * MINUTE_MS, ge=0, description="how far an event may be ahead of its Kafka record")
    event_time_min_ms: int = Field(
        946_684_800_000, ge=0, le=TIME_MS_MAX, description="the earliest time of an event, 2000-01-01T00:00Z by default"
    )
    event_time_max_ms: int = Field(
        4_102_444_800_000, ge=0, le=TIME_MS_MAX, description="the latest time of an event, 2100-01-01T00:00Z by default"
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
    declarations: Path | None = Field(
        None,
        description="folder of the project's declarations, read where the job is submitted; unset: the retail set v1",
    )

    @field_validator("declarations")
    @classmethod
    def _wherever_it_is_submitted(cls, folder: Path | None) -> Path | None:
        return None if folder is None else folder.absolute()

    @field_validator("refused_ids", "refused_event_ids")
    @classmethod
    def _known_words(cls, joined: str) -> str:
        for name in names_in(joined):
            if name != PLACEHOLDERS and nearest(name, (PLACEHOLDERS,), _MISSPELT):
                message = f"should have {PLACEHOLDERS} where it has {name}"
                raise ValueError(message)
        return joined

    @model_validator(mode="after")
    def _convertible(self) -> Self:
        if self.currency or self.currency_rates:
            from udfs.money import Currencies  # noqa: PLC0415  (a server that reads these settings needs no core)

            Currencies.parse(self.currency, self.currency_rates)
        return self

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.event_time_max_ms < self.event_time_min_ms:
            message = (
                f"event_time_max_ms ({self.event_time_max_ms}) must not be less than event_time_min_ms "
                f"({self.event_time_min_ms})"
            )
            raise ValueError(message)
        return self
