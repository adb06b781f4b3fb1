"""How features are declared: one model for each way to compute one, known by its first word (`count`, `sum`, ...)."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from declarations.value_types import Duration, Edges, Expression, Number, Strict, Text, Truth, Whole, Words

CAP: Final = 32  # entries that a map keeps by default
CAP_MAX: Final = 1_000
HOPS_MAX: Final = 300  # of a window
EXACT: Final = 256  # texts that `distinct` counts exactly by default
EXACT_MAX: Final = 2_048
K_MAX: Final = 100
EDGES_MAX: Final = 100

Scope = Literal["lifetime", "session", "previous_session"]


class Feature(Strict):
    """What every feature may have."""

    doc: Text = Field("", description="its formula in words, for those who read scores")
    unit: str | None = Field(
        None, max_length=32, description="for those who read scores; most kinds have one by default"
    )
    default: Number = Field(0.0, description="what it is before there is anything to compute it from")
    vector: Truth = Field(True, description="false leaves it out of the vector, or of what is served with the scores")


class Aggregate(Feature):
    """A feature over events."""

    where: Expression | None = Field(None, description="CEL over the event's fields, value, category, type and time")
    scope: Scope = Field("lifetime", description="session: of the current session; previous_session: of the one before")


class FieldAggregate(Aggregate):
    """A feature over a field of events."""

    of: Words | None = Field(None, description="the events; may be left out where one declared event has the field")


class Windowed(Strict):
    """The options of a window."""

    window: Duration | None = Field(None, description="only events of this time until the as-of time")
    hop: Duration | None = Field(None, description="the steps in which it is kept; about window / 24 by default")


class Dimension(Strict):
    """The options of decay and of a dimension."""

    half_life: Duration | None = Field(None, description="an event counts half after this time")
    by: str | None = Field(None, description="a text field; the feature is then a map")
    cap: Annotated[Whole, Field(ge=1, le=CAP_MAX)] | None = Field(None, description=f"entries kept; {CAP} by default")
    weights: dict[str, Number] = Field(default_factory=dict, description="what an event counts, by type; 1 by default")


def _check_time(feature: Aggregate, window: int | None, hop: int | None, half_life: int | None = None) -> None:
    if hop is not None and window is None:
        message = "'hop' needs 'window'"
        raise ValueError(message)
    if window is not None and half_life is not None:
        message = "'window' and 'half_life' exclude each other"
        raise ValueError(message)
    if feature.scope != "lifetime" and (window is not None or half_life is not None):
        message = f"'{'window' if window is not None else 'half_life'}' and scope '{feature.scope}' exclude each other"
        raise ValueError(message)


def _check_cap(by: str | None, cap: int | None) -> None:
    if cap is not None and by is None:
        message = "'cap' needs 'by'"
        raise ValueError(message)


class Count(Aggregate, Windowed, Dimension):
    """How many events."""

    count: Words = Field(description="an event, a list of them, or any")
    calendar: Literal["hour", "day_of_week"] | None = Field(None, description="a feature for each hour or day")
    money: Literal[True, "left_out"] | None = Field(
        None, description="true: only events whose amount adds up; left_out: those with an amount in another currency"
    )

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        _check_time(self, self.window, self.hop, self.half_life)
        _check_cap(self.by, self.cap)
        if self.calendar and (self.window or self.half_life or self.by or self.weights):
            message = "'calendar' excludes 'window', 'half_life', 'by' and 'weights'"
            raise ValueError(message)
        return self


class Sum(FieldAggregate, Windowed, Dimension):
    """The sum of a field."""

    sum: str = Field(description="a field of the events")
    money: Truth | None = Field(None, description="only amounts in the user's currency; true where the field is money")

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        _check_time(self, self.window, self.hop, self.half_life)
        _check_cap(self.by, self.cap)
        return self


class Mean(FieldAggregate, Windowed):
    """The mean of a field."""

    mean: str = Field(description="a field of the events")
    half_life: Duration | None = Field(None, description="an event counts half after this time")
    money: Truth | None = Field(None, description="only amounts in the user's currency; true where the field is money")

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        _check_time(self, self.window, self.hop, self.half_life)
        return self


class Stddev(FieldAggregate):
    """The standard deviation of a field, of the population."""

    stddev: str = Field(description="a field of the events")


class Min(FieldAggregate, Windowed):
    """The smallest value of a field."""

    min: str = Field(description="a field of the events")

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        _check_time(self, self.window, self.hop)
        return self


class Max(FieldAggregate, Windowed):
    """The largest value of a field."""

    max: str = Field(description="a field of the events")

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        _check_time(self, self.window, self.hop)
        return self


class First(FieldAggregate):
    """The field of the first event that has it."""

    first: str = Field(description="a field of the events")


class Last(FieldAggregate):
    """The field of the newest event that has it."""

    last: str = Field(description="a field of the events")


class LastK(FieldAggregate):
    """The field of the newest events, a feature each: _0 is the newest."""

    last_k: str = Field(description="a field of the events")
    k: Annotated[Whole, Field(ge=1, le=K_MAX)] = Field(description="how many values are kept")


class Since(Aggregate):
    """The time since the newest such event."""

    since: Words = Field(description="an event, a list of them, or any")
    unit: Literal["s", "m", "h", "d"] = Field("h", description="in which the time is given")


class Distinct(FieldAggregate):
    """How many different texts."""

    distinct: str = Field(description="a text field of the events")
    exact: Annotated[Whole, Field(ge=8, le=EXACT_MAX)] = Field(EXACT, description="counted exactly up to this number")


class Histogram(FieldAggregate):
    """How many events by ranges of a field, a feature each: _0 is below the first edge."""

    histogram: str = Field(description="a field of the events")
    edges: Edges = Field(description=f"1 to {EDGES_MAX} numbers, ascending")

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if not 1 <= len(self.edges) <= EDGES_MAX:
            message = f"'edges' must be 1 to {EDGES_MAX} numbers"
            raise ValueError(message)
        if list(self.edges) != sorted(set(self.edges)):
            message = "'edges' must ascend"
            raise ValueError(message)
        return self


class Streak(Feature):
    """Days in a row with such an event, up to the day of the as-of time."""

    streak: Words = Field(description="an event, a list of them, or any")
    where: Expression | None = Field(None, description="CEL over the event's fields, value, category, type and time")


class Changes(FieldAggregate):
    """How often a text differed from the one before."""

    changes: str = Field(description="a text field of the events")


def _pair(value: object) -> object:
    if not isinstance(value, list) or [type(part) for part in value] != [str, str]:
        message = "needs the names of two features, as in [clicks, views]"
        raise ValueError(message)
    return tuple(value)


class Ratio(Feature):
    """One feature divided by another."""

    ratio: Annotated[
        tuple[str, str],
        BeforeValidator(_pair),
        WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}),
    ] = Field(description="two features: the first divided by the second")


class Expr(Feature):
    """A feature computed from others."""

    expr: Expression = Field(description="CEL over features")


FEATURES: Final[dict[str, type[Feature]]] = {
    "count": Count,
    "sum": Sum,
    "mean": Mean,
    "stddev": Stddev,
    "min": Min,
    "max": Max,
    "first": First,
    "last": Last,
    "last_k": LastK,
    "since": Since,
    "distinct": Distinct,
    "histogram": Histogram,
    "streak": Streak,
    "changes": Changes,
    "ratio": Ratio,
    "expr": Expr,
}
