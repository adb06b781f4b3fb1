"""The plan of a project: folds events into profiles, and reads the features of one.

A plan is data (docs/decisions/0032-declarations.md). This makes the objects that run it: steps by event type, decays by
half-life, and a node for each feature. The fold's frame is here (time passing, sessions, money); what a feature
remembers is in udfs/reducers/.
"""

from __future__ import annotations

from typing import Any, Final

from driftline.limits import AFFINITIES_MAX
from udfs import profile as p
from udfs.event import Event
from udfs.expressions.build import build
from udfs.expressions.maps import share
from udfs.expressions.node import Node, Scope
from udfs.expressions.numbers import finite
from udfs.money import LEFT_OUT, NO_CURRENCY
from udfs.plan.features import Features
from udfs.plan.layout import layout_of
from udfs.plan.looks import Looks
from udfs.plan.order import copied_first, reducers_read
from udfs.plan.passing import Decay, SessionEnd, decays_of, session_ends_of
from udfs.plan.reading import Reading
from udfs.plan.segment_steps import segment_steps_of, segments_of
from udfs.plan.steps import core_reducers, reducers_of, steps_by_type
from udfs.profile import Fold, Profile, ProfileBounds
from udfs.segments import Segment, SegmentStep

_SESSION: Final = slice(p.SESSION_EVENTS, p.SESSION_SWITCHES + 1)
_SESSION_ZEROS: Final = [0.0] * (p.SESSION_SWITCHES + 1 - p.SESSION_EVENTS)
_NO_TRAITS: Final[list[tuple[str, str]]] = []
_NO_TOPS: Final[list[tuple[str, list[tuple[str, float]]]]] = []


class Plan(Fold):
    """What a project computes.

    Args:
        data: the plan's data.
        categories_max: the cap of dimensions that do not declare one.

    Attributes:
        name, hash: of the feature set and its declarations.
        sessions: whether closed sessions are published.
        layout: where the state is.
        definitions: the hash of each feature's definition, by name.
        formulas: the scores that are expressions, by name.
        segments: in the declared order.
        ages_s: the declared ages in seconds, ascending: so long after the newest event users are looked at again.
        vector_names: the features that models see, in order.
    """

    def __init__(self, data: dict[str, Any], categories_max: int) -> None:
        self.data = data
        data = copied_first(data)
        self.name: str = data["name"]
        self.sessions: bool = data["sessions"]
        self.hash: str = data["hash"]
        self.layout = layout_of(data)
        self.definitions: dict[str, str] = {each["name"]: each["hash"] for each in data["features"]}
        zone: str = data["time_zone"]
        every = [*data["reducers"], *core_reducers(self.layout)]
        reducers = reducers_of(every, self.layout, categories_max, zone)
        self._steps = steps_by_type(data["events"], every, reducers, zone)
        self._decays: list[Decay] = decays_of(reducers)
        self._session_ends: list[SessionEnd] = session_ends_of(reducers)
        self._features = Features(data["features"], reducers, zone)
        self.vector_names = self._features.vector_names
        nodes = self._features.nodes
        self._scope = Scope(self.layout.blank(), self._features.values)
        self.formulas: list[tuple[str, Node]] = sorted(
            [(score["name"], build(score["expr"], nodes, zone)) for score in data["scores"] if "expr" in score]
        )
        self.segments: list[Segment] = segments_of(data["segments"], self.layout, nodes, zone)
        self._folded: list[SegmentStep] = segment_steps_of(data["segments"], self.layout, nodes, zone)
        conditions = [each[at] for each in data["segments"] if not each["on_models"] for at in ("enter", "leave")]
        self._watched = self._features.needed_by(conditions)
        self.ages_s: list[int] = [int(age_s) for age_s in data.get("ages_s", [])]
        fading = decays_of([reducers[at] for at in reducers_read(data["features"], conditions)])
        self._looks = Looks(self.ages_s, self._folded, self._features, self._watched, fading)
        affinities: str = data["affinities"] or ""
        self._affinities = self._features.node_named(affinities)
        self._texts = self._features.served("text")
        self._maps = [(name, node) for name, node in self._features.served("map") if name != affinities]
        self._served = bool(self._texts or self._maps)

    def blank(self) -> Profile:
        """Return an empty profile."""
        return self.layout.blank()

    def fold(self, profile: Profile, event: Event, bounds: ProfileBounds) -> int:
        """Fold the next event in event-time order; see `Profile.fold`."""
        v = profile.values
        time_ms = float(event.time_ms)  # values are floats: an int among them would be slow to read
        if not v[p.EVENTS] or time_ms - v[p.LAST_MS] > bounds.user_ttl_ms:
            profile.clear()
            v = profile.values
            v[p.FIRST_MS] = v[p.SESSION_START_MS] = time_ms
            v[p.SESSIONS] = 1.0
        else:
            pause_ms = time_ms - v[p.LAST_MS]
            if pause_ms > self._looks.first_ms:
                self._looks.run(profile, pause_ms - 1.0, self._scope)  # the event comes before an age of its time
            if pause_ms:
                for decay in self._decays:
                    decay.pass_time(profile, pause_ms)
            if pause_ms > bounds.session_gap_ms:
                self._begin_session(profile, time_ms)
        v[p.EVENTS] = v[p.EVENTS] + 1.0
        v[p.SESSION_EVENTS] = v[p.SESSION_EVENTS] + 1.0
        v[p.LAST_MS] = time_ms
        return self._step(profile, event)

    def _step(self, profile: Profile, event: Event) -> int:
        scope = self._scope
        scope.see(profile)
        scope.event = event
        steps = self._steps[event.type]
        dropped = 0
        for step in steps.always:
            dropped += step.add(profile, event, scope)
        if steps.money:
            for step in steps.added if _adds_up(profile.values, event.currency) else steps.left_out:
                dropped += step.add(profile, event, scope)
        if self._folded:
            scope.see(profile)  # as the event has left it
            self._features.compute(self._watched, scope)
            for membership in self._folded:
                membership.run(profile, scope)
        return dropped

    def _begin_session(self, profile: Profile, time_ms: float) -> None:
        for end in self._session_ends:
            end.run(profile)
        v = profile.values
        v[p.PREVIOUS_SESSION_END_MS] = v[p.LAST_MS]
        v[p.ENDED_SESSIONS_MS] += v[p.LAST_MS] - v[p.SESSION_START_MS]
        v[p.ENDED_SESSIONS_EVENTS] += v[p.SESSION_EVENTS]
        v[p.SESSIONS] += 1.0
        v[p.SESSION_START_MS] = time_ms
        v[_SESSION] = _SESSION_ZEROS
        v[p.SESSION_REFUND_VALUE] = 0.0
        profile.texts[0] = ""

    def aged(self, profile: Profile, age_s: int) -> Profile:
        """Return a copy of a profile as of an age: read it with `as_of_ms` = newest event + age.

        What decays has decayed, and memberships have been looked at at each declared age until then. The rest is as the
        newest event has left it, its time and the session included.

        Args:
            profile: as of its newest event; not empty.
            age_s: the time since that event in seconds, not negative; need not be a declared one.
        """
        aged = profile.copy()
        age_ms = age_s * 1_000.0
        self._looks.run(aged, age_ms, self._scope)
        for decay in self._decays:
            decay.pass_into(profile, aged, age_ms)
        return aged

    def reading(self, profile: Profile, as_of_ms: float = 0.0) -> Reading:
        """Return the features and scores of a profile that is not empty, as of a time; see `scope_of`."""
        scope = self.scope_of(profile, as_of_ms)
        vector = self._features.packed()
        scores = [_finite(node.number(scope)) for _, node in self.formulas]
        affinities = self._affinities
        shares = _top(affinities, scope) if affinities is not None else []
        if not self._served:
            return Reading(vector, scores, shares, _NO_TRAITS, _NO_TOPS)
        traits = [(name, text) for name, node in self._texts if (text := node.text(scope))]
        tops = [(name, _top(node, scope)) for name, node in self._maps]
        return Reading(vector, scores, shares, traits, tops)

    def vector(self, profile: Profile, as_of_ms: float = 0.0) -> list[float]:
        """Return what models see of a profile that is not empty, in the order of `vector_names`; see `scope_of`."""
        self.scope_of(profile, as_of_ms)
        return self._features.vector()

    def numbers(self, profile: Profile, as_of_ms: float = 0.0) -> dict[str, float]:
        """Return the number features of a profile that is not empty, by name, those beside the vector included."""
        self.scope_of(profile, as_of_ms)
        return self._features.by_name()

    def scope_of(self, profile: Profile, as_of_ms: float = 0.0) -> Scope:
        """Return the scope of a profile, with its features; valid until the plan is used again.

        Args:
            profile: not empty.
            as_of_ms: the time that is evaluated at, of a profile in which it has passed (`aged`); 0 is the time of the
                newest event.
        """
        scope = self._scope
        if as_of_ms:
            scope.see_at(profile, as_of_ms)
        else:
            scope.see(profile)
        self._features.evaluate(scope)
        return scope


def _top(node: Node, scope: Scope) -> list[tuple[str, float]]:
    """Return the top entries of a map with their shares, largest first, ties by name."""
    ranking = node.ranking(scope)
    weights, total = ranking.weights, ranking.total
    return [(name, share(weights[name], total)) for name in ranking.names[:AFFINITIES_MAX]]


def _finite(value: float) -> float:
    """Return the value of a score; 0 where it is infinite or not a number, which no reader could use."""
    return value if finite(value) else 0.0


def _adds_up(v: list[float], currency: int) -> bool:
    """Whether an amount is in the currency of the user's sums, which the first amount that names one decides."""
    if currency == NO_CURRENCY:
        return True
    if currency != LEFT_OUT and not v[p.CURRENCY]:
        v[p.CURRENCY] = float(currency)
    if v[p.CURRENCY] == float(currency):
        return True
    v[p.AMOUNTS_LEFT_OUT] += 1.0
    return False
