"""Compares the scores of two namespaces user by user, with bounded memory.

Generation, declaration and time of writing differ by nature and are not compared. Neither side is a snapshot: what a
job writes meanwhile is compared as it is met, and a user whom SCAN finds twice is counted twice.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice, pairwise
from typing import Final, NamedTuple, TypeVar

from console.as_of import AsOf
from console.parsed_scores import FLOAT_BYTES, Parsed, parsed
from driftline.catalogue_message import Catalogue
from driftline.serving.v1.scores_pb2 import UserScores
from sink_connectors.score_store import ScoreStore
from sink_connectors.score_value import StoredScores

PAGE: Final = 1_000  # users compared at a time
EDGES: Final = (0.0, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0, 100.0, 1e3, 1e6)
_PLAIN = (
    *("feature_set", "model_version", "as_of_event_time_ms", "age_s", "accepted_events"),
    *("session", "segments", "tops"),
)
_MAPS = ("model_versions", "traits")

T = TypeVar("T")


@dataclass
class Spread:
    """By how much one score or feature differs over the users of both namespaces."""

    both: int = 0  # users of whom both namespaces have it
    differ: int = 0  # of them, by more than the tolerance
    only_first: int = 0
    only_second: int = 0
    largest: float = 0.0
    total: float = 0.0
    bins: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))  # equal, then below each edge

    @property
    def mean(self) -> float:
        """The mean absolute difference over the users of whom both have it."""
        return self.total / self.both if self.both else 0.0

    def add(self, first: float | None, second: float | None, tolerance: float) -> float | None:
        """Take in one user; returns the difference where it is beyond the tolerance, infinite where one has none."""
        if first is None or second is None:
            self.only_first += second is None
            self.only_second += first is None
            return math.inf
        difference = _difference(first, second)
        self.both += 1
        self.total += difference
        self.largest = max(self.largest, difference)
        self.bins[bisect_right(EDGES, difference) if difference else 0] += 1
        if difference <= tolerance:
            return None
        self.differ += 1
        return difference

    def histogram(self) -> list[tuple[str, int]]:
        """Users by absolute difference, from the first to the last bin that has any."""
        labels = [
            "equal",
            "below 1e-09",
            *(f"{low:g} to {high:g}" for low, high in pairwise(EDGES[1:])),
        ]
        rows = list(zip([*labels, f"{EDGES[-1]:g} and more"], self.bins, strict=True))
        used = [index for index, (_, users) in enumerate(rows) if users]
        return rows[used[0] : used[-1] + 1] if used else []


class Difference(NamedTuple):
    """A user who differs, and by how much at most in a score that both namespaces have."""

    size: float
    user_id: str
    values: Mapping[str, tuple[float | None, float | None]]  # of every score, and of the features that differ
    fields: Sequence[str]  # what else differs


@dataclass
class Comparison:
    """What a comparison has found; users are only_first + only_second + equal + different."""

    only_first: int = 0
    only_second: int = 0
    equal: int = 0
    different: int = 0
    scores: defaultdict[str, Spread] = field(default_factory=lambda: defaultdict(Spread))
    features: defaultdict[str, Spread] = field(default_factory=lambda: defaultdict(Spread))
    fields: Counter[str] = field(default_factory=Counter)  # users in whom something else differs, by its name
    unnamed: int = 0  # users whose features were not compared: no catalogue names them
    worst: list[Difference] = field(default_factory=list)  # largest first

    @property
    def same(self) -> bool:
        """Whether nothing differs beyond the tolerance."""
        return not (self.only_first or self.only_second or self.different)


class Comparing:
    """Compares two stores; `run` once.

    Args:
        tolerance: absolute difference of a number up to which it counts as equal.
        features: whether what the model saw is compared, too.
        limit: how many users are listed at most.
        catalogues: of the first and of the second namespace: what their features are called.
        as_of: which scores are compared.
        seen: told after every page how many users have been looked at.
    """

    def __init__(
        self,
        *,
        tolerance: float = 0.0,
        features: bool = False,
        limit: int = 10,
        catalogues: tuple[Catalogue, Catalogue] = (Catalogue(), Catalogue()),
        as_of: AsOf = AsOf.EVENT,
        seen: Callable[[int], object],
    ) -> None:
        self._tolerance = tolerance
        self._features = features
        self._limit = limit
        self._as_of = as_of
        self._names = _Names(catalogues[0]), _Names(catalogues[1])
        self._seen = seen
        self._found = Comparison()
        self._worst: list[tuple[float, str, int, Difference]] = []  # a heap, the smallest first
        self._same_features: Counter[tuple[str, ...]] = Counter()  # users with equal features, by their names
        self._kept = count()  # tells apart what SCAN finds twice

    def run(self, first: ScoreStore, second: ScoreStore) -> Comparison:
        """Compare all users: first those of `first`, then those whom only `second` has.

        Raises:
            ServiceUnavailable: a store cannot be used.
        """
        looked_at = 0
        for page in _pages(first.scan()):
            users = {user_id: stored for user_id, stored in page if not stored.is_tombstone}
            for (user_id, one), other in zip(users.items(), second.read(list(users)), strict=True):
                self._compare(user_id, one, other)
            looked_at += len(page)
            self._seen(looked_at)
        for ids in _pages(second.user_ids()):
            self._count_others(list(dict.fromkeys(ids)), first, second)
            looked_at += len(ids)
            self._seen(looked_at)
        self._count_same_features()
        self._found.worst = [difference for *_, difference in sorted(self._worst, reverse=True)]
        return self._found

    def _count_others(self, user_ids: list[str], first: ScoreStore, second: ScoreStore) -> None:
        known = zip(user_ids, first.read(user_ids), strict=True)
        missing = [user_id for user_id, stored in known if stored is None or stored.is_tombstone]
        self._found.only_second += sum(
            stored is not None and not stored.is_tombstone for stored in second.read(missing)
        )

    def _compare(self, user_id: str, one: StoredScores, other: StoredScores | None) -> None:
        if other is None or other.is_tombstone:
            self._found.only_first += 1
            return
        first, second = parsed(one, self._as_of), parsed(other, self._as_of)
        apart = self._spread(self._found.scores, first.message.scores, second.message.scores)
        size = max((size for size in apart.values() if size < math.inf), default=0.0)
        if self._features:
            apart |= self._compare_features(first, second)
        fields = [name for name in _PLAIN if getattr(first.message, name) != getattr(second.message, name)]
        fields += [name for name in _MAPS if dict(getattr(first.message, name)) != dict(getattr(second.message, name))]
        if not _alike(_shares(first.message), _shares(second.message), self._tolerance):
            fields.append("affinities")
        self._found.fields.update(fields)
        if not apart and not fields:
            self._found.equal += 1
            return
        self._found.different += 1
        self._keep(size, user_id, apart, fields, (first, second))

    def _compare_features(self, first: Parsed, second: Parsed) -> dict[str, float]:
        ours, theirs = self._named(0, first), self._named(1, second)
        if ours is None or theirs is None:
            self._found.unnamed += 1
            return {}
        if first.packed == second.packed and ours == theirs:
            self._same_features[ours] += 1  # as most, and cheap
            return {}
        return self._spread(self._found.features, first.features(ours), second.features(theirs))

    def _named(self, side: int, user: Parsed) -> tuple[str, ...] | None:
        """The names of the features that are stored; none where none are stored, None where they are not known."""
        count = len(user.packed) // FLOAT_BYTES
        if not count:
            return ()
        names = self._names[side].of(user.message)
        return names if names is not None and len(names) == count else None

    def _count_same_features(self) -> None:
        for names, users in self._same_features.items():
            for name in names:
                spread = self._found.features[name]
                spread.both += users
                spread.bins[0] += users

    def _spread(
        self, spreads: defaultdict[str, Spread], first: Mapping[str, float], second: Mapping[str, float]
    ) -> dict[str, float]:
        """Take in one user's numbers; returns those that differ, with by how much."""
        apart = {}
        for name in {*first, *second}:
            size = spreads[name].add(first.get(name), second.get(name), self._tolerance)
            if size is not None:
                apart[name] = size
        return apart

    def _keep(self, size: float, user_id: str, apart: Mapping[str, float], fields: Sequence[str], pair: _Pair) -> None:
        if not self._limit or (len(self._worst) == self._limit and size < self._worst[0][0]):
            return
        first, second = pair
        named: list[tuple[Mapping[str, float], Mapping[str, float], Iterable[str]]] = [
            (first.message.scores, second.message.scores, sorted({*first.message.scores, *second.message.scores}))
        ]
        if self._features:
            ours, theirs = first.features(self._named(0, first) or ()), second.features(self._named(1, second) or ())
            named.append((ours, theirs, [name for name in {**ours, **theirs} if name in apart]))
        values = {name: (one.get(name), other.get(name)) for one, other, names in named for name in names}
        heapq.heappush(self._worst, (size, user_id, next(self._kept), Difference(size, user_id, values, fields)))
        if len(self._worst) > self._limit:
            heapq.heappop(self._worst)


class _Names:
    """What the features behind the scores of one namespace are called, by feature set and declaration."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[tuple[str, str], tuple[str, ...] | None] = {}

    def of(self, message: UserScores) -> tuple[str, ...] | None:
        key = message.feature_set, message.declaration
        if key not in self._known:
            found = self._catalogue.find(*key)
            self._known[key] = None if found is None else found.features.names
        return self._known[key]


_Pair = tuple[Parsed, Parsed]


def _pages(found: Iterator[T]) -> Iterator[list[T]]:
    while page := list(islice(found, PAGE)):
        yield page


def _difference(first: float, second: float) -> float:
    difference = abs(first - second)
    if not math.isnan(difference):
        return difference
    return 0.0 if str(first) == str(second) else math.inf  # not a number, or an infinity less itself


def _shares(message: UserScores) -> dict[str, float]:
    return {affinity.category: affinity.share for affinity in message.affinities}


def _alike(first: Mapping[str, float], second: Mapping[str, float], tolerance: float) -> bool:
    """Whether both have the same categories, with shares within the tolerance."""
    return first.keys() == second.keys() and all(abs(first[name] - second[name]) <= tolerance for name in first)
