"""The plan of a project: folds events into profiles, and reads the features of one.

A plan is data (docs/decisions/0032-declarations.md). This makes the objects that run it: steps by event type, decays by
half-life, and a node for each feature. The fold's frame is here (time passing, sessions, money); what a feature
remembers is in udfs/reducers/.
"""

from __future__ import annotations

from math import exp2
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
from udfs.plan.order import copied_first
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
        time_ms = event.time_ms
        if not v[p.EVENTS] or time_ms - v[p.LAST_MS] > bounds.user_ttl_ms:
            profile.clear()
            v = profile.values
            v[p.FIRST_MS] = v[p.SESSION_START_MS] = time_ms
            v[p.SESSIONS] = 1.0
        else:
            pause_ms = time_ms - v[p.LAST_MS]
            if pause_ms:
                self._decay(profile, pause_ms)
            if pause_ms > bounds.session_gap_ms:
                self._begin_session(profile, time_ms)
        v[p.EVENTS] += 1.0
        v[p.SESSION_EVENTS] += 1.0
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

    def _decay(self, profile: Profile, pause_ms: float) -> None:
        v = profile.values
        for decay in self._decays:
            keep = exp2(-pause_ms / decay.half_life_ms)
            for slot in decay.values:
                value = v[slot]
                if value:  # most are 0, and a 0 needs no new float
                    v[slot] = value * keep
            for at in decay.maps:
                weights = profile.maps[at]
                for name in weights:
                    weights[name] *= keep

    def _begin_session(self, profile: Profile, time_ms: int) -> None:
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

    def reading(self, profile: Profile) -> Reading:
        """Return the features and scores of a profile that is not empty."""
        scope = self.scope_of(profile)
        vector = self._features.packed()
        scores = [_finite(node.number(scope)) for _, node in self.formulas]
        affinities = self._affinities
        shares = _top(affinities, scope) if affinities is not None else []
        if not self._served:
            return Reading(vector, scores, shares, _NO_TRAITS, _NO_TOPS)
        traits = [(name, text) for name, node in self._texts if (text := node.text(scope))]
        tops = [(name, _top(node, scope)) for name, node in self._maps]
        return Reading(vector, scores, shares, traits, tops)

    def vector(self, profile: Profile) -> list[float]:
        """Return what models see of a profile that is not empty, in the order of `vector_names`."""
        self.scope_of(profile)
        return self._features.vector()

    def numbers(self, profile: Profile) -> dict[str, float]:
        """Return the number features of a profile that is not empty, by name, those beside the vector included."""
        self.scope_of(profile)
        return self._features.by_name()

    def scope_of(self, profile: Profile) -> Scope:
        """Return the scope of a profile that is not empty, with its features; valid until the plan is used again."""
        self._scope.see(profile)
        self._features.evaluate(self._scope)
        return self._scope


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
