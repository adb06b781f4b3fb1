"""Times written as text. Pure: no clock, no local time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

FORMS = "2019-10-01T00:00:00Z, 2019-10-01 00:00:00.123 UTC or 2019-10-01T02:00:00+02:00"
_FORM = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]{1,9}))?"
    r" ?(Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def parse_time_ms(text: str, zone: tzinfo | None = None) -> int:
    """Milliseconds since the Unix epoch of a date with a time of day; finer fractions are cut off.

    Args:
        text: ISO 8601, also with a blank for the T or before the zone, which is Z, UTC, GMT or an offset.
        zone: of a text that names none.

    Raises:
        ValueError: another form, no such time, or no zone anywhere: a guess would be hours off. The message holds
            nothing of the text.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        message = f"a time like {FORMS}"
        raise ValueError(message)
    day, clock, fraction, offset = found.groups()
    if offset is None and zone is None:
        message = f"a time with its zone, like {FORMS}"
        raise ValueError(message)
    try:
        if offset is None:
            moment = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)
        else:
            moment = datetime.fromisoformat(f"{day}T{clock}{'Z' if offset[0] not in '+-' else offset}")
    except ValueError:
        message = f"a time that exists, like {FORMS}"
        raise ValueError(message) from None
    return (moment - _EPOCH) // _MS + int((fraction or "0").ljust(3, "0")[:3])
