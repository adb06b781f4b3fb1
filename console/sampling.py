"""Folds a sample of events by a plan, to see before a job runs whether features are what was meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, NamedTuple

from driftline.event.v1.event_pb2 import UserEvent
from driftline.limits import FIRST_DECLARED_TYPE
from udfs.event import FORGET, Event
from udfs.plan.order import NUMERIC
from udfs.plan.plan import Plan
from udfs.profile import LAST_MS, Profile, ProfileBounds
from udfs.segments import memberships

SILENT_USERS_MAX: Final = 200  # who are looked at at ages: each costs as much as many events


@dataclass(frozen=True)
class Spread:
    """The values of a feature or score over users, as of the newest event of each.

    Attributes:
        filled: the share of users whose value is not the default (of a score: not 0; of a text or map: not empty).
        least, middle, most: of numbers; of maps, of the number of top entries, at most ten; None of texts.
    """

    name: str
    filled: float
    least: float | None
    middle: float | None
    most: float | None


class Silent(NamedTuple):
    """The share of users who are members after a silence, of at most SILENT_USERS_MAX users."""

    age_s: int
    share: float


@dataclass(frozen=True)
class Sample:
    """What a sample gives.

    Attributes:
        users: that have any event left.
        types: the number of events by type, those of declared types that did not occur included.
        features: in the order of the plan, without hidden ones and without texts and maps that are not served.
        scores: by formula.
        members: the number of members by segment, without segments over models.
        silent: of segments without any, who is a member at the first age at which somebody is, if there is one.
    """

    users: int
    types: dict[str, int]
    features: list[Spread]
    scores: list[Spread]
    members: dict[str, int]
    silent: dict[str, Silent]

    @property
    def events(self) -> int:
        """How many events were folded."""
        return sum(self.types.values())


def fold_sample(users: Mapping[str, Sequence[Event]], plan: Plan, bounds: ProfileBounds) -> Sample:
    """Fold each user's events in order of time, without repeats and without what a FORGET erases.

    Args:
        users: the events of each user, in any order.
        plan: also `bounds.plan`.
        bounds: of the fold.
    """
    names = _type_names(plan.data["events"])
    types = {name: 0 for number, name in names.items() if number >= FIRST_DECLARED_TYPE}
    columns: dict[str, list[float]] = {}
    members = {segment.name: 0 for segment in plan.segments if not segment.on_models}
    folded = 0
    first: list[Profile] = []
    for events in users.values():
        profile = _folded(events, plan, bounds, names, types)
        if profile is None:
            continue
        folded += 1
        if folded <= SILENT_USERS_MAX:
            first.append(profile)
        for name, value in _values(plan, profile).items():
            columns.setdefault(name, []).append(value)
        for membership in memberships(plan.segments, plan.scope_of(profile), {}):
            if membership.name in members:
                members[membership.name] += 1
    defaults = {feature["name"]: float(feature["default"]) for feature in plan.data["features"]}
    shown = [each["name"] for each in plan.data["features"] if not each.get("hidden") and _shown(each)]
    texts = {feature["name"] for feature in plan.data["features"] if feature["kind"] == "text"}
    features = [_spread(name, columns.get(name, []), defaults[name], name in texts) for name in shown]
    scores = [_spread(name, columns.get(_score(name), []), 0.0, False) for name, _ in plan.formulas]
    nobody = {name for name, number in members.items() if not number}
    return Sample(folded, types, features, scores, members, _silent(plan, first, nobody))


def _silent(plan: Plan, profiles: Sequence[Profile], nobody: Collection[str]) -> dict[str, Silent]:
    """Return who is a member of segments when nothing has come for a time, at the first age at which somebody is."""
    found: dict[str, Silent] = {}
    for age_s in plan.ages_s if nobody else []:
        counts: dict[str, int] = {}
        for profile in profiles:
            scope = plan.scope_of(plan.aged(profile, age_s), profile.values[LAST_MS] + age_s * 1_000)
            for membership in memberships(plan.segments, scope, {}):
                counts[membership.name] = counts.get(membership.name, 0) + 1
        for name in counts.keys() & nobody - found.keys():
            found[name] = Silent(age_s, counts[name] / len(profiles))
    return found


def _folded(
    events: Sequence[Event], plan: Plan, bounds: ProfileBounds, names: Mapping[int, str], types: dict[str, int]
) -> Profile | None:
    forgotten_ms = max((event.time_ms for event in events if event.type == FORGET), default=-1)
    kept = {event.event_id: event for event in sorted(events, reverse=True) if event.time_ms > forgotten_ms}
    profile = plan.blank()
    for event in sorted(kept.values()):
        profile.fold(event, bounds)
        name = names.get(event.type, str(event.type))
        types[name] = types.get(name, 0) + 1
    return None if profile.empty else profile


def _values(plan: Plan, profile: Profile) -> dict[str, float]:
    """Return the features and scores of a profile; of served texts 1 or 0, of served maps the number of top entries."""
    values = plan.numbers(profile)
    values.update({feature["name"]: 0.0 for feature in plan.data["features"] if feature["served"]})
    reading = plan.reading(profile)
    values.update({name: 1.0 for name, _ in reading.traits})
    values.update({name: float(len(entries)) for name, entries in reading.tops})
    if plan.data["affinities"]:
        values[plan.data["affinities"]] = float(len(reading.affinities))
    for (name, _), score in zip(plan.formulas, reading.scores, strict=True):
        values[_score(name)] = score
    return values


def _shown(feature: Mapping[str, Any]) -> bool:
    """Whether a feature is a number, or a text or map that is read with the scores."""
    return bool(feature["kind"] in NUMERIC or feature["served"])


def _score(name: str) -> str:
    return f"score {name}"  # no feature has a name with a blank


def _spread(name: str, values: Sequence[float], default: float, text: bool) -> Spread:
    if not values:
        return Spread(name, 0.0, None, None, None)
    filled = sum(value != default for value in values) / len(values)
    if text:
        return Spread(name, filled, None, None, None)
    return Spread(name, filled, min(values), median(values), max(values))


def _type_names(events: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    names = {number: name for name, number in UserEvent.Type.items()}
    return names | {int(event["number"]): str(event["name"]) for event in events}
