"""Times written as text. Pure: no clock, no local time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Final

from driftline.time_units import UNIT_NAMES, unit_of_digits

UNITS_MS: Final = {"s": Decimal(1_000), "ms": Decimal(1), "us": Decimal("0.001"), "ns": Decimal("0.000001")}
FORMS = "2019-10-01T00:00:00Z, 2019-10-01 00:00:00.123 UTC or 2019-10-01T02:00:00+02:00"
_FORM = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]{1,9}))?"
    r" ?(Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DIGITS_MAX = 30  # of a whole number that is a time
EXPONENT_MAX: Final = 30  # of a decimal number; no time and no amount is larger, or smaller


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


def decimal_of(text: str) -> Decimal:
    """The number that a text is, exactly. Raises ValueError where it is none, or one beyond all use."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > EXPONENT_MAX:
        message = "not a number"
        raise ValueError(message)
    return number


def number_time_ms(text: str, unit: str) -> int:
    """Milliseconds since the Unix epoch of a number in a unit of UNITS_MS; finer fractions are cut off.

    Raises:
        ValueError: the text is no number. The message holds nothing of it.
    """
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX:
        number = int(text)
        return number * 1_000 if unit == "s" else number // _PER_MS[unit]
    try:
        return int(decimal_of(text) * UNITS_MS[unit])
    except ValueError:
        message = f"a number of {unit}"
        raise ValueError(message) from None


def other_form(text: str, unit: str) -> str:
    """Say that a time which could not be read has the other form, as a clause behind the error; empty if it has not.

    Args:
        text: a date with a time of day where a number was due, or the other way round. The clause holds nothing of it.
        unit: as it is declared: one of UNITS_MS, or text.
    """
    if unit != "text":
        return '; it looks like a date: time_unit is "text" for those' if _FORM.fullmatch(text.strip()) else ""
    try:
        found = unit_of_digits(int(decimal_of(text)))
    except ValueError:
        return ""
    return f"; it looks like a number of {UNIT_NAMES[found]}: time_unit is {found!r} for those" if found else ""


_PER_MS = {"ms": 1, "us": 1_000, "ns": 1_000_000}
