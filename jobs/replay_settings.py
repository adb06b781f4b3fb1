"""The settings of a replay: where the records of score-events come from, where they end, and which of them count.

A replay is score-events itself, in a namespace of its own (docs/decisions/0036-history.md). None of these settings is
remembered by the state: a replay goes on as the live job without them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from driftline.errors import InputError
from driftline.units import MIB
from jobs.base_settings import JobSettings

USERS_MAX: Final = 1_000_000  # ids in a file of `only_users`: they travel with the job
_PLACE: Final = re.compile(r"(\d{1,9}):(\d{1,18})")


class ReplaySettings(JobSettings):
    """The settings that make a replay of a job over the events topic."""

    start_offsets: str = Field(
        "",
        description="where a job without state begins, as partition:offset joined by commas, like 0:120,1:88; a "
        "partition that is not named begins at its oldest record; empty: all do",
    )
    until_offsets: str = Field(
        "",
        description="where it stops taking records, likewise: those at these offsets and behind them are left out; a "
        "partition that is not named has no end",
    )
    chunks_topic: str = Field(
        "",
        description="topic of one partition that says which records to read from the lake, in which order; empty: "
        "records come from events_topic",
    )
    lake_url: str = Field(
        "",
        description="folder or s3://bucket/prefix of the lake, which every TaskManager reaches; the records are below "
        "the name of events_topic in it",
    )
    lake_dates: str = Field(
        "",
        pattern=r"^((\d{4}-\d\d-\d\d)?\.\.(\d{4}-\d\d-\d\d)?)?$",
        description="event dates of the lake to read, like 2026-01-01..2026-01-31, 2026-01-01.. or ..2026-01-31; "
        "empty: all",
    )
    only_users: Path | None = Field(
        None,
        description="file of user ids, a line each, read where the job is submitted: records of others are left out "
        "and counted as such; unset: all users",
    )
    events_a_s_max: float = Field(
        0.0, ge=0, description="records that the job takes a second at most, all its slots together; 0: no bound"
    )

    @property
    def is_replay(self) -> bool:
        """Whether they say where records come from, or where they end."""
        return bool(self.start_offsets or self.until_offsets or self.chunks_topic)

    @property
    def dates(self) -> tuple[str, str]:
        """The first and the last event date of `lake_dates`; empty: no bound."""
        since, _, until = self.lake_dates.partition("..")
        return since, until

    @field_validator("start_offsets", "until_offsets")
    @classmethod
    def _places(cls, joined: str) -> str:
        offsets_in(joined)
        return joined

    @field_validator("only_users")
    @classmethod
    def _wherever_it_is_given(cls, file: Path | None) -> Path | None:
        return None if file is None else file.absolute()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if not self.chunks_topic:
            return self
        if self.start_offsets or self.until_offsets:
            message = "chunks_topic says by itself where to begin and end: leave out start_offsets and until_offsets"
            raise ValueError(message)
        if not self.lake_url:
            message = "chunks_topic needs lake_url, where the records are"
            raise ValueError(message)
        return self


def offsets_in(joined: str) -> dict[int, int]:
    """Return offsets by partition, of `partition:offset` joined by commas.

    Raises:
        ValueError: the text is something else, or names a partition twice.
    """
    found: dict[int, int] = {}
    for part in filter(None, (part.strip() for part in joined.split(","))):
        place = _PLACE.fullmatch(part)
        if place is None or int(place[1]) in found:
            message = "should be partition:offset joined by commas, each partition once, like 0:120,1:88"
            raise ValueError(message)
        found[int(place[1])] = int(place[2])
    return found


def offsets_text(offsets: dict[int, int]) -> str:
    """Return offsets by partition as `start_offsets` and `until_offsets` have them."""
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(offsets.items()))


def users_in(file: Path) -> tuple[str, ...]:
    """Return the user ids in a file of `only_users`, each once, sorted; empty lines are no ids.

    Raises:
        InputError: the file cannot be read, has no id, or more than USERS_MAX.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"only_users: {file} cannot be read: {error}"
        raise InputError(message) from None
    users = sorted({user for line in lines if (user := line.strip())})
    if not 0 < len(users) <= USERS_MAX:
        message = f"only_users: {file} has {len(users):,} user ids; it should have between 1 and {USERS_MAX:,}"
        raise InputError(message)
    return tuple(users)


def replay_settings(parallelism: int, events_a_s_max: float = 0.0) -> dict[str, str]:
    """Return the assignments with which a replay is fast: large blocks, for nobody waits for a single score.

    A user's events of a block share one fold, one write of state, one call of the models and one of Redis.

    Args:
        parallelism: slots, one a TaskManager.
        events_a_s_max: the bound of the rate, 0 for none. With one, blocks are as small as those of a live job: a
            checkpoint waits for the block that is being processed, and large ones would gain nothing.
    """
    found = {"parallelism": str(parallelism)}
    if events_a_s_max:
        return found | {"events_a_s_max": f"{events_a_s_max:g}"}
    return found | {
        "block_ms": "1000",
        "block_events_max": "20000",
        "block_bytes_max": str(64 * MIB),
    }
