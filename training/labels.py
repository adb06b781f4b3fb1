"""Labels: what a user did within some time after a moment, as a plan declares it. Pure: events in, numbers out.

A moment is that of an event, or a later one at which the user is silent. A label looks at the time after it alone: at
(t, t + within]. Events of the same instant are its present, not its future.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any, Final

from driftline.units import MINUTE_MS
from udfs.event import PURCHASE, Event
from udfs.expressions.build import build
from udfs.expressions.node import Node, Scope
from udfs.money import LEFT_OUT, NO_CURRENCY
from udfs.profile import Profile

EVENT: Final = "event"  # 1 if one of the events follows
SUM: Final = "sum"  # the sum of a value over the events that follow
ABSENCE: Final = "absence"  # 1 if none of the events follows
KINDS: Final = (EVENT, SUM, ABSENCE)
_VALUE: Final = ["event", "value"]
_VALUE_MAX: Final = 1e100  # beyond it, and where it is no number, an event adds nothing: its sums stay finite


@dataclass(frozen=True)
class Label:
    """What is to be predicted.

    Attributes:
        kind: one of KINDS.
        types: numbers of the event types that count; none: any.
        within_ms: how long after the moment.
        where: which of these events count; None: all.
        value: what is summed; None where nothing is.
        money: whether that is the event's own value, of which amounts in another currency than the user's are left out.
        at_ages: whether moments of silence are examples, too (training/moments.py).
    """

    kind: str
    types: frozenset[int]
    within_ms: int
    where: Node | None = None
    value: Node | None = None
    money: bool = False
    at_ages: bool = False

    @classmethod
    def of_plan(cls, spec: Mapping[str, Any], zone: str) -> Label:
        """Return the label of a plan's score.

        Args:
            spec: its `label`.
            zone: the plan's time zone, for expressions.

        Raises:
            ValueError: there is no such kind; compiled plans have none.
        """
        kind, types = spec["kind"], frozenset(spec["types"])
        if kind not in KINDS:
            message = f"a label should be one of {', '.join(KINDS)}, not {kind!r}"
            raise ValueError(message)
        where, value = spec.get("where"), spec.get("value") if kind == SUM else None
        return cls(
            kind,
            types,
            spec["within_ms"],
            None if where is None else build(where, [], zone),
            None if value is None else build(value, [], zone),
            value == _VALUE,
            bool(spec.get("at_ages", kind == ABSENCE)),
        )

    def known(self, events: Sequence[Event], end_ms: int) -> int:
        """Return how many of the events, the first ones, have a future that is known.

        Args:
            events: of a user, sorted by time.
            end_ms: time of the last event of anybody.
        """
        return bisect_right(events, end_ms - self.within_ms, key=_time_of)

    def of(self, events: Sequence[Event], moments_ms: Sequence[int] | None = None) -> list[float]:
        """Return the label of each moment.

        Args:
            events: all of a user, sorted by (time, id).
            moments_ms: the moments; None: the times of the events.
        """
        times_ms, values = self._following(events)
        labels: list[float] = []
        for moment_ms in [event.time_ms for event in events] if moments_ms is None else moments_ms:
            first = bisect_right(times_ms, moment_ms)
            end = bisect_right(times_ms, moment_ms + self.within_ms)
            if self.kind == SUM:
                labels.append(fsum(values[first:end]))  # exactly rounded: the same whatever the machine
            else:
                labels.append(float((end > first) == (self.kind == EVENT)))
        return labels

    def _following(self, events: Sequence[Event]) -> tuple[list[int], list[float]]:
        """Return the times of the events that count, and what each adds to a sum."""
        scope = Scope(Profile(), [])
        currency = _currency_of(events) if self.money else NO_CURRENCY
        times_ms: list[int] = []
        values: list[float] = []
        for event in events:
            scope.event = event
            if self.types and event.type not in self.types:
                continue
            if self.where is not None and not self.where.truth(scope):
                continue
            if self.money and event.currency not in {NO_CURRENCY, currency}:
                continue
            times_ms.append(event.time_ms)
            value = 0.0 if self.value is None else self.value.number(scope)
            values.append(value if abs(value) <= _VALUE_MAX else 0.0)
        return times_ms, values


# A purchase within half an hour: what purchase_propensity is the probability of, where no plan says it.
PURCHASE_WITHIN_30_MIN: Final = Label(EVENT, frozenset({PURCHASE}), 30 * MINUTE_MS)


def _currency_of(events: Sequence[Event]) -> int:
    """The user's currency: that of the first amount that names one, as the profile has it (udfs/profile.py)."""
    for event in events:
        if event.currency not in {NO_CURRENCY, LEFT_OUT}:
            return event.currency
    return NO_CURRENCY


def _time_of(event: Event) -> int:
    return event.time_ms
