"""The correction of a device's clock by when the device sent an event and when a server received it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_COLUMNS: Final = ("time", "sent", "received")
TOLERANCE: Final = "tolerance_ms"
CLOCK_KEYS: Final = (*_COLUMNS, TOLERANCE)


@dataclass(frozen=True)
class DeviceClock:
    """Which columns have the three times that a device's clock is corrected by.

    Attributes:
        time: of when the event happened, by the device's clock.
        sent: of when the device sent it, by the same clock.
        received: of when a server received it, by a clock that is right.
        tolerance_ms: a device's clock that is off by no more than this counts as right.
    """

    time: str
    sent: str
    received: str
    tolerance_ms: int = 0

    @classmethod
    def of(cls, given: dict[str, Any]) -> DeviceClock:
        """Return what a table of a mapping says, which `check_clock` has accepted. Raises ValueError if not whole."""
        if missing := [name for name in _COLUMNS if name not in given]:
            message = f"device_clock must name {', '.join(missing)}: the columns are time, sent and received"
            raise ValueError(message)
        return cls(**given)

    def columns(self) -> dict[str, str]:
        """Return the columns by what they are."""
        return {"time": self.time, "sent": self.sent, "received": self.received}


def check_clock(given: dict[str, Any]) -> None:
    """Check the form of what a mapping or a section of it says of a device's clock. Raises ValueError."""
    for name in _COLUMNS:
        if name in given and not (isinstance(given[name], str) and given[name]):
            message = f"{name} in device_clock must be the name of a column"
            raise ValueError(message)
    tolerance_ms = given.get(TOLERANCE, 0)
    if type(tolerance_ms) is not int or tolerance_ms < 0:
        message = f"{TOLERANCE} in device_clock must be a whole number of milliseconds, 0 or more"
        raise ValueError(message)


def corrected_ms(device_ms: int, sent_ms: int, received_ms: int, tolerance_ms: int) -> int | None:
    """Return when an event happened by the receiver's clock: received - (sent - device).

    It depends on the event alone, so a replay gives the same time. Any offset is believed, because the clock of a
    device that was never set is decades off. Whether the result can be right is for the bounds of event times to say.

    Args:
        device_ms: when it happened, by the device's clock.
        sent_ms: when it was sent, by the same clock.
        received_ms: when it was received, by a clock that is right.
        tolerance_ms: up to which offset the device's clock counts as right, and its time is taken as it is.

    Returns:
        Milliseconds since the Unix epoch, or None where the three do not go together: it was sent before it happened,
        so the clock was set in between; or a time is not above 0, as where a program writes one that it does not have.
    """
    if min(device_ms, sent_ms, received_ms) <= 0 or sent_ms < device_ms:
        return None
    offset_ms = received_ms - sent_ms
    return device_ms if abs(offset_ms) <= tolerance_ms else device_ms + offset_ms
