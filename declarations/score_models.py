"""How scores, their labels and segments are declared."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from declarations.value_types import Duration, Expression, Strict, Text, Truth, Words

_FOLDER: Final = re.compile(r"\.|[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CURRENT: Final = "current"  # driftline/models.py writes there which version is the current one
_LABEL_WORDS: Final = ("event", "sum", "absence_of")


class Estimator(Strict):
    """What is trained: a name of scikit-learn, and its parameters."""

    name: str = Field(min_length=1, max_length=100)
    params: dict[str, float | int | str | bool | None] = Field(default_factory=dict)


def _estimator(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Label(Strict):
    """What a model learns to foretell: an event, a sum, or that there is no event, within a time."""

    event: Words | None = Field(None, description="1 if such an event follows")
    sum: str | None = Field(None, description="the sum of a field over the events that follow")
    absence_of: Words | None = Field(None, description="1 if no such event follows")
    of: Words | None = Field(None, description="the events of `sum`")
    where: Expression | None = Field(None, description="which of the events, as CEL over their fields")
    within: Duration = Field(description="how far the label looks")
    at_ages: Truth | None = Field(
        None,
        description="whether training also looks at users who are silent, at the project's ages; by default where "
        "`absence_of` is",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [word for word in _LABEL_WORDS if getattr(self, word) is not None]
        if len(given) != 1:
            message = f"needs one of event, sum, absence_of, and has {' and '.join(given) or 'none'}"
            raise ValueError(message)
        if self.of is not None and self.sum is None:
            message = "'of' needs 'sum'"
            raise ValueError(message)
        return self


class ExprScore(Strict):
    """A score by a formula."""

    expr: Expression = Field(description="CEL over features")
    doc: Text = ""


class ModelScore(Strict):
    """A score by a trained model, or by a formula while there is none."""

    expr: Expression | None = Field(
        None, description="CEL over features: the score while no model is trained; without it there is none until then"
    )

    model: Literal["classification", "regression"] = Field(
        description="classification: of a probability; regression: of a quantity"
    )
    features: Annotated[
        tuple[str, ...],
        BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
        WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}),
    ] = Field((), description="names of features; the whole vector by default")
    rises_with: Words | None = Field(
        None, description="features with which the score never falls, whatever the examples say; of trees alone"
    )
    falls_with: Words | None = Field(None, description="features with which it never rises; of trees alone")
    estimator: Annotated[
        Estimator | None,
        BeforeValidator(_estimator),
        WithJsonSchema({"anyOf": [{"type": "string"}, Estimator.model_json_schema()]}),
    ] = Field(None, description="what is trained; a tree ensemble by default")
    label: Label = Field(description="what is predicted")
    folder: str | None = Field(None, description="of its models, below models_dir; '.' is models_dir itself")
    doc: Text = ""

    @field_validator("folder")
    @classmethod
    def _plain_folder(cls, value: str | None) -> str | None:
        if value is not None and (not _FOLDER.fullmatch(value) or value == _CURRENT):
            message = f"{value!r} is no name of a folder here; letters, digits, '_', '-' and '.', or '.' alone"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.label.sum is not None and self.model == "classification":
            message = "the label is a sum, so 'model' must be regression"
            raise ValueError(message)
        if len(set(self.features)) < len(self.features):
            message = "'features' names one twice"
            raise ValueError(message)
        both = sorted(set(self.rises_with or ()) & set(self.falls_with or ()))
        if both:
            message = f"{both[0]!r} is in 'rises_with' and in 'falls_with'"
            raise ValueError(message)
        return self


class Segment(Strict):
    """Users for whom a condition holds."""

    enter: Expression | None = Field(None, description="a user enters when this is true")
    leave: Expression | None = Field(None, description="and leaves when this is; when enter is false by default")
    when: Expression | None = Field(None, description="a user is in it while this is true")
    min_stay: Duration | None = Field(None, description="how long a user stays at least, in event time")
    doc: Text = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.enter is None) == (self.when is None):
            message = "needs one of 'enter' and 'when'"
            raise ValueError(message)
        if self.when is not None and self.leave is not None:
            message = "'leave' goes with 'enter', not with 'when'"
            raise ValueError(message)
        return self
