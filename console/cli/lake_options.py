"""Options that several of `driftline lake` have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from console.settings import StackSettings
from driftline.errors import DriftlineError, ServiceUnavailable, SettingError

if TYPE_CHECKING:
    from history.lake.location import Location

LakeUrl = Annotated[
    str,
    typer.Option("--lake", metavar="URL", help="Another lake.", show_default="DRIFTLINE_LAKE_URL"),
]
Topic = Annotated[
    str,
    typer.Option("--topic", metavar="NAME", help="Which topic's files.", show_default="DRIFTLINE_EVENTS_TOPIC"),
]
Since = Annotated[
    str,
    typer.Option("--since", metavar="DATE", help="From this event date on (UTC), like 2026-01-05.", show_default=False),
]
Until = Annotated[
    str, typer.Option("--until", metavar="DATE", help="Up to and with this event date (UTC).", show_default=False)
]


@contextmanager
def opened_lake(settings: StackSettings, topic: str, lake: str) -> Iterator[Location]:
    """The folder of a topic's lake; an error of its storage becomes one line. Raises SettingError for no place."""
    from console.lake.places import lake_of

    location = lake_of(settings, topic, lake)
    try:
        yield location
    except DriftlineError:
        raise
    except OSError as error:
        reason = " ".join(str(error).split())
        message = f"the lake in {location.path} cannot be used: {reason}; see DRIFTLINE_LAKE_URL, DRIFTLINE_S3_ENDPOINT"
        raise ServiceUnavailable(message) from None


def check_dates(since: str, until: str) -> None:
    """Raise SettingError unless both are dates in order, or empty."""
    for name, value in (("--since", since), ("--until", until)):
        try:
            is_date = not value or date.fromisoformat(value).isoformat() == value
        except ValueError:
            is_date = False
        if not is_date:
            message = f"{name} {value}: must be a date like 2026-01-05"
            raise SettingError(message)
    if since and until and since > until:
        message = f"--since {since} is later than --until {until}"
        raise SettingError(message)
