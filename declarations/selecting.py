"""Which events a feature or label takes, and what of them: the declared words become entries of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from declarations.canonical import canonical, replaced, uses_clock, whole
from declarations.event_types import ANY, EventType, Term
from declarations.expressions import ExpressionError, Variable, compile_expression
from declarations.problems import Path, Problems, instead
from declarations.reducers import Selection

_CUSTOM_NAME: Final = "CUSTOM"
_FOLDED_WHERE_DECLARED: Final = frozenset({"item_id", "channel", "currency", "name"})  # fields of every message
LEFT_OUT: Final = "left_out"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a declaration asks for.

    Attributes:
        path: of the declaration, for problems.
        key: the first word, where `events` stands for features without a field, and `value` for others.
        events: names of event types; None: those that have the field.
        value: the name of a field; None for counts.
        by: the name of a text field; None without a dimension.
        kinds: what the field may be: number, bool, text, strings, timestamp, money.
        money: True, False, LEFT_OUT, or None for what the field is.
    """

    path: Path
    key: str
    events: tuple[str, ...] | None
    where: str | None = None
    value: str | None = None
    by: str | None = None
    kinds: tuple[str, ...] = ()
    money: bool | str | None = False
    scope: str = "lifetime"
    weights: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Taken:
    """A selection, and what kind its field is; empty without one."""

    selection: Selection
    kind: str


class Selector:
    """Resolves what declarations ask for.

    Args:
        types: all event types, by name.
        broken: names of events that could not be read; nothing is said of them again.
        zone: the project's time zone; part of the meaning of filters that read the clock.
        problems: get what cannot be resolved.
    """

    def __init__(self, types: Mapping[str, EventType], broken: frozenset[str], zone: str, problems: Problems) -> None:
        self._types = types
        self._broken = broken
        self._zone = zone
        self._problems = problems

    def take(self, wanted: Wanted) -> Taken | None:
        """Return the selection; None if there was a problem."""
        types = self._named(wanted)
        if types is None:
            return None
        values = self._terms(wanted, types, wanted.value, wanted.key, wanted.kinds)
        keys = self._terms(wanted, types, wanted.by, "by", ("text", "strings"))
        weights = self._weights(wanted)
        filters = self._filters(wanted, types)
        if values is None or keys is None or weights is None or filters is None:
            return None
        kind = self._kind(wanted, values)
        money = None if kind is None else self._money(wanted, types, kind)
        if kind is None or money is None:
            return None
        meaning = {"of": "+".join(sorted(each.meaning for each in types.values()))}
        for name, meanings in (
            ("value", {name: term.meaning for name, term in values.items()}),
            ("by", {name: term.meaning for name, term in keys.items()}),
            ("where", {name: self._filter_meaning(name, expr) for name, expr in filters.items()}),
        ):
            if meanings:
                meaning[name] = _common(meanings, types)
        if weights:
            meaning["weights"] = canonical({self._types[name].meaning: weight for name, weight in weights.items()})
        if money:
            meaning["money"] = money if isinstance(money, str) else "true"
        on = [self._entry(each, wanted, (values, keys, filters), weights, money) for each in self._spread(types)]
        return Taken(
            Selection(on=sorted(on, key=lambda entry: int(entry["type"])), meaning=meaning, scope=wanted.scope), kind
        )

    def _named(self, wanted: Wanted) -> dict[str, EventType] | None:
        """Return the types that are named; `any` stands for itself."""
        names = wanted.events
        if names is None:
            having = [each for each in self._types.values() if each.declared and wanted.value in each.terms]
            if len(having) != 1:
                field = f"field {wanted.value!r}"
                which = f"{field} is of {len(having)} declared events" if having else f"no declared event has {field}"
                self._problems.add(wanted.path, f"key 'of' is missing: {which}; name the events")
                return None
            return {having[0].name: having[0]}
        found: dict[str, EventType] = {}
        where = wanted.key if wanted.value is None else "of"
        for name in names:
            if name == ANY and len(names) == 1:
                return {ANY: EventType(ANY, 0, ANY, self._types[_CUSTOM_NAME].terms)}
            if name in self._types:
                found[name] = self._types[name]
            elif name not in self._broken:
                message = f"unknown event {name!r}{instead(name, [*self._types, ANY])}"
                if name == ANY:
                    message = "'any' stands alone; name the events without it"
                self._problems.add((*wanted.path, where), message)
        return found if len(found) == len(names) else None

    def _terms(
        self, wanted: Wanted, types: Mapping[str, EventType], name: str | None, key: str, kinds: Sequence[str]
    ) -> dict[str, Term] | None:
        """Return what a field is in each type; None if there was a problem."""
        terms: dict[str, Term] = {}
        if name is None:
            return terms
        for each in types.values():
            term = each.terms.get(name)
            message = ""
            if term is None:
                message = f"event {each.name!r} has no field {name!r}{_how_to_have(each, name)}"
            elif term.kind not in kinds:
                accepted = " or ".join(_word(kind) for kind in kinds)
                message = f"{name!r} of event {each.name!r} is a {_word(term.kind)}; it must be a {accepted}"
            elif terms and term.type != next(iter(terms.values())).type:
                message = f"{name!r} is a {term.type} in event {each.name!r} and another type in the events before it"
            if message:
                self._problems.add((*wanted.path, key), message)
                return None
            if term is not None:
                terms[each.name] = term
        return terms

    def _kind(self, wanted: Wanted, values: Mapping[str, Term]) -> str | None:
        """Return what kind the field is in all types, empty without a field; None if there was a problem."""
        kinds = {term.kind for term in values.values()}
        if ANY in values and wanted.value == "value":
            message = "'value' is money in PURCHASE and REFUND and a number elsewhere; name the events"
        elif "money" in kinds and len(kinds) > 1:
            of = ", ".join(sorted(name for name, term in values.items() if term.kind == "money"))
            message = f"{wanted.value!r} is money in {of} and a number in others; name events of one kind"
        else:
            return kinds.pop() if len(kinds) == 1 else "number" if kinds else ""  # numbers and truths
        self._problems.add((*wanted.path, wanted.key), message)
        return None

    def _weights(self, wanted: Wanted) -> dict[str, float] | None:
        weights = dict(wanted.weights or {})
        for name in weights:
            events = wanted.events or ()
            if events == (ANY,) and name in self._types:
                continue
            if name not in events and name not in self._broken:
                accepted = list(self._types) if events == (ANY,) else events
                message = f"{name!r} is none of the events{instead(name, accepted)}"
                self._problems.add((*wanted.path, "weights", name), message)
                return None
        return {name: weight for name, weight in weights.items() if weight != 1.0}

    def _filters(self, wanted: Wanted, types: Mapping[str, EventType]) -> dict[str, Any] | None:
        """Return the filter in each type, with terms as ["term", name]; None if there was a problem."""
        filters: dict[str, Any] = {}
        if wanted.where is None:
            return filters
        path = (*wanted.path, "where")
        for each in types.values():
            names = {name: Variable(term.type, ["term", name]) for name, term in each.terms.items()}
            names["type"] = Variable("text", ["event_type"])
            try:
                typed = compile_expression(wanted.where, names, now=names["time"].expr)
            except ExpressionError as error:
                of = f" (of event {each.name!r})" if len(types) > 1 else ""
                self._problems.add(path, f"{error}{of}")
                return None
            if typed.type != "bool":
                self._problems.add(path, f"must be true or false, and is a {typed.type}")
                return None
            filters[each.name] = typed.expr
        return filters

    def _money(self, wanted: Wanted, types: Mapping[str, EventType], kind: str) -> bool | str | None:
        """Return whether only amounts in the user's currency are taken; None if there was a problem."""
        amounts = all(each.terms["value"].kind == "money" or _has_money(each) for each in types.values())
        message = ""
        if wanted.money is None:
            return kind == "money"
        if wanted.money and wanted.value is None and not amounts:
            message = "not all of these events have an amount of money"
        elif wanted.money and wanted.value is not None and kind != "money":
            message = f"{wanted.value!r} is a {kind}; it must be of type money, or value of PURCHASE or REFUND"
        if message:
            self._problems.add((*wanted.path, "money"), message)
            return None
        return wanted.money

    def _filter_meaning(self, name: str, expr: Any) -> str:
        each = self._types[_CUSTOM_NAME if name == ANY else name]
        text = canonical(replaced(expr, "term", lambda term: ["term", each.terms[term[1]].meaning]))
        return f"{text}@{self._zone}" if self._zone != "UTC" and uses_clock(expr) else text

    def _spread(self, types: Mapping[str, EventType]) -> list[tuple[EventType, str]]:
        """Return each type that is taken, and under which of the given names; one that is named itself goes first."""
        taken = {each.number: (each, name) for name, each in types.items() if name != ANY}
        if ANY in types or _CUSTOM_NAME in types:
            name = ANY if ANY in types else _CUSTOM_NAME
            for each in self._types.values():
                if each.declared or ANY in types:
                    taken.setdefault(each.number, (each, name))
        return list(taken.values())

    def _entry(
        self,
        each: tuple[EventType, str],
        wanted: Wanted,
        parts: tuple[Mapping[str, Term], Mapping[str, Term], Mapping[str, Any]],
        weights: Mapping[str, float],
        money: bool | str,
    ) -> dict[str, Any]:
        """Return the entry of a type in the plan."""
        event_type, name = each
        values, keys, filters = parts
        # Declaring an event must not change what filters say of CUSTOM ones.
        shown = _CUSTOM_NAME if name == _CUSTOM_NAME else event_type.name
        where = filters.get(name)
        if where is not None:
            terms = self._types[_CUSTOM_NAME if name == ANY else name].terms
            where = replaced(where, "term", lambda term: terms[term[1]].expr)
            where = replaced(where, "event_type", lambda _: ["text", shown])
        default = weights.get(_CUSTOM_NAME, 1.0) if event_type.declared and name == ANY else 1.0
        return {
            "type": event_type.number,
            "where": where,
            "value": values[name].expr if values else None,
            "key": keys[name].expr if keys else None,
            "weight": whole(weights.get(event_type.name if name == ANY else name, default)),
            "money": money,
        }


def _word(kind: str) -> str:
    """Return how a kind of field is declared."""
    return "string" if kind == "text" else kind


def _has_money(each: EventType) -> bool:
    return any(term.kind == "money" for term in each.terms.values())


def _common(meanings: Mapping[str, str], types: Mapping[str, EventType]) -> str:
    """Return one text if all types agree, else all by the meaning of the type."""
    distinct = set(meanings.values())
    if len(distinct) == 1:
        return distinct.pop()
    return canonical({types[name].meaning: text for name, text in meanings.items()})


def _how_to_have(event: EventType, name: str) -> str:
    """Say how an event gets a field that it lacks: by another name, or by declaring it."""
    source = "item_id" if name == "item" else name
    if source not in _FOLDED_WHERE_DECLARED or event.name == ANY:
        return instead(name, event.terms)
    return f"; declare one below events: {event.name}: {{fields: {{a_name: {{type: string, from: {source}}}}}}}"
