"""Makes the steps of a plan: for each event type, what its events change in a profile."""

from __future__ import annotations

from typing import Any, Final

from driftline.limits import EVENT_TYPES_MAX, FIRST_DECLARED_TYPE
from udfs.event import CUSTOM, PURCHASE, REFUND, Event
from udfs.expressions.build import build
from udfs.expressions.node import Node, Scope
from udfs.plan.layout import CORE_KEYS, Layout
from udfs.plan.reducers import NO_SOURCE, SESSION, Reducer
from udfs.profile import Profile
from udfs.reducers.kind import On, Step
from udfs.reducers.kinds import KINDS

_IN: Final = "in"  # the user's currency
_LEFT_OUT: Final = "left_out"
_CORE_TYPES: Final = {"VIEW": 1, "CLICK": 2, "ADD_TO_CART": 3, "PURCHASE": 4, "SEARCH": 5, "REFUND": 10}


class Filtered(Step):
    """A step for the events that satisfy a condition."""

    __slots__ = ("_step", "_where")

    def __init__(self, step: Step, where: Node) -> None:
        self._step = step
        self._where = where

    def add(self, profile: Profile, event: Event, scope: Scope) -> int:
        """Fold the event if it satisfies the condition."""
        return self._step.add(profile, event, scope) if self._where.truth(scope) else 0


class TypeSteps:
    """The steps for the events of one type.

    Attributes:
        always: for each event.
        added: for each whose amount adds up in the user's currency, where the type has amounts.
        left_out: for each whose amount does not.
        money: whether the type has amounts.
    """

    __slots__ = ("added", "always", "left_out", "money")

    def __init__(self) -> None:
        self.always: list[Step] = []
        self.added: list[Step] = []
        self.left_out: list[Step] = []
        self.money = False

    def put(self, step: Step, money: str) -> None:
        """Append a step: always, or for events whose amount is "in" the user's currency, or is "left_out"."""
        {"": self.always, _IN: self.added, _LEFT_OUT: self.left_out}[money].append(step)


def reducers_of(data: list[dict[str, Any]], layout: Layout, categories_max: int, zone: str) -> list[Reducer]:
    """Return the reducers of a plan's data; a dimension without a cap has `categories_max`."""
    ambient = {"cap": categories_max, "zone": zone}
    return [
        Reducer(
            KINDS[each["kind"]],
            ambient | each["params"],
            each["scope"],
            layout.places[each["key"]].slots,
            int(each.get("source", NO_SOURCE)),
        )
        for each in data
    ]


def steps_by_type(
    events: list[dict[str, Any]], data: list[dict[str, Any]], reducers: list[Reducer], zone: str
) -> list[TypeSteps]:
    """Return the steps by the number of the event type, for every number there can be.

    Where two reducers look at the same text, the one that compares with the text before comes first.

    Args:
        events: the plan's declared event types.
        data: the plan's reducers.
        reducers: made of them.
        zone: the plan's time zone.
    """
    custom = TypeSteps()
    table = [custom] * (EVENT_TYPES_MAX + 1)  # a type that is not declared counts as CUSTOM
    for number in [*range(1, FIRST_DECLARED_TYPE), *[int(event["number"]) for event in events]]:
        if number != CUSTOM:
            table[number] = TypeSteps()
    for changes in (True, False):
        for each, reducer in zip(data, reducers, strict=True):
            if (each["kind"] == "changes") is changes:
                _put(table, each["on"], reducer, zone)
    for number in (PURCHASE, REFUND, *[int(event["number"]) for event in events if _has_money(event)]):
        table[number].money = True
    return table


def _put(table: list[TypeSteps], ons: list[dict[str, Any]], reducer: Reducer, zone: str) -> None:
    for on in ons:
        money = on.get("money", False)
        table[int(on["type"])].put(_step(on, reducer, zone), _LEFT_OUT if money == _LEFT_OUT else _IN if money else "")


def _has_money(event: dict[str, Any]) -> bool:
    return any(field["kind"] == "money" for field in event["fields"])


def _step(on: dict[str, Any], reducer: Reducer, zone: str) -> Step:
    taken = On(_built(on, "value", zone), _built(on, "key", zone), float(on["weight"]))
    step = reducer.kind.step(reducer.params, reducer.slots, taken)
    where = _built(on, "where", zone)
    return step if where is None else Filtered(step, where)


def _built(on: dict[str, Any], name: str, zone: str) -> Node | None:
    expr = on.get(name)
    return None if expr is None else build(expr, [], zone)


def core_reducers(layout: Layout) -> list[dict[str, Any]]:
    """Return the reducers that the core needs and that the layout's plan does not have, as a plan's data."""
    return [_core_reducer(key) for key in CORE_KEYS if key not in layout.declared]


def _core_reducer(key: str) -> dict[str, Any]:
    kind, number = key.partition("(")[0], _CORE_TYPES[key.partition("of=")[2].partition(",")[0]]
    on: dict[str, Any] = {"type": number, "weight": 1.0}
    if kind == "sum":
        on |= {"value": ["event", "value"], "money": True}
    return {"key": key, "kind": kind, "scope": SESSION, "params": {}, "on": [on]}
