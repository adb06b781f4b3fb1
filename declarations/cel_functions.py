"""The functions of expressions: which operation of a plan each is, what it takes and what it gives."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Kind = Literal["number", "bool", "text", "map"]

KIND_WORDS: Final[dict[Kind, str]] = {
    "number": "a number",
    "bool": "true or false",
    "text": "a text",
    "map": "a map",
}


class Signature(NamedTuple):
    """One way to call a function.

    Attributes:
        op: the operation of the plan.
        takes: the kind of each argument.
        gives: the kind of the result.
        many: whether more arguments of the last kind may follow.
    """

    op: str
    takes: tuple[Kind, ...]
    gives: Kind = "number"
    many: bool = False


# By the kind of the first argument, where a name stands for several operations.
FUNCTIONS: Final[dict[str, tuple[Signature, ...]]] = {
    "min": (Signature("min", ("number", "number"), many=True),),
    "max": (Signature("max", ("number", "number"), many=True),),
    "abs": (Signature("abs", ("number",)),),
    "log": (Signature("log", ("number",)),),
    "log1p": (Signature("log1p", ("number",)),),
    "log10": (Signature("log10", ("number",)),),
    "exp": (Signature("exp", ("number",)),),
    "exp2": (Signature("exp2", ("number",)),),
    "sqrt": (Signature("sqrt", ("number",)),),
    "pow": (Signature("pow", ("number", "number")),),
    "floor": (Signature("floor", ("number",)),),
    "ceil": (Signature("ceil", ("number",)),),
    "rounded": (Signature("rounded", ("number",)),),
    "sin": (Signature("sin", ("number",)),),
    "cos": (Signature("cos", ("number",)),),
    "coalesce": (Signature("coalesce", ("number", "number"), many=True),),
    "clamp": (Signature("clamp", ("number", "number", "number")),),
    "size": (Signature("size", ("text",)), Signature("entries", ("map",))),
    "top": (Signature("top_key", ("map",), "text"),),
    "top_share": (Signature("top_share", ("map",)),),
    "share": (Signature("share_of", ("map", "text")),),
    "value": (Signature("value_of", ("map", "text")),),
    "total": (Signature("total", ("map",)),),
    "day_angle": (Signature("day_angle", ("number",)),),
    "hour": (Signature("hour", ("number",)),),
    "day_of_week": (Signature("day_of_week", ("number",)),),
}
# Called without an argument, these are of the event's time in a filter, and of the as-of time elsewhere.
OF_TIME: Final = frozenset({"day_angle", "hour", "day_of_week"})
METHODS: Final[dict[str, Signature]] = {
    "contains": Signature("contains", ("text", "text"), "bool"),
    "startsWith": Signature("starts_with", ("text", "text"), "bool"),
    "endsWith": Signature("ends_with", ("text", "text"), "bool"),
}
VALUE_OF: Final = Signature("value_of", ("map", "text"))

_NO_MACROS: Final = "macros are not supported"
_NO_TIMES: Final = "times are numbers, in milliseconds since 1970; see hour, day_of_week and day_angle"
# What CEL has, and these expressions have not.
UNSUPPORTED: Final[dict[str, str]] = {
    "has": _NO_MACROS,
    "all": _NO_MACROS,
    "exists": _NO_MACROS,
    "exists_one": _NO_MACROS,
    "map": _NO_MACROS,
    "filter": _NO_MACROS,
    "matches": "regular expressions are not supported; use contains, startsWith, endsWith or in",
    "double": "all numbers are doubles, so leave it out",
    "int": "all numbers are doubles; floor gives a whole one",
    "uint": "all numbers are doubles; floor gives a whole one",
    "string": "a number cannot become a text",
    "bool": "compare a number instead, as in x != 0",
    "bytes": "bytes are not supported",
    "dyn": "types are fixed",
    "type": "types are fixed",
    "timestamp": _NO_TIMES,
    "duration": _NO_TIMES,
    "getFullYear": _NO_TIMES,
    "getMonth": _NO_TIMES,
    "getDate": _NO_TIMES,
    "getDayOfMonth": _NO_TIMES,
    "getDayOfWeek": _NO_TIMES,
    "getDayOfYear": _NO_TIMES,
    "getHours": _NO_TIMES,
    "getMinutes": _NO_TIMES,
    "getSeconds": _NO_TIMES,
    "getMilliseconds": _NO_TIMES,
}
