"""What the reference says of expressions; the tests evaluate every example."""

from __future__ import annotations

from typing import Final, NamedTuple

# What the examples name. The tests make it of events: three plays of abba, then a subscription and a play of queen on
# Monday, 5 January 2026 at 18:30 UTC.
EXAMPLE_FEATURES: Final = """\
features:
  plays: {count: play}
  artists: {count: play, by: artist}
  plan: {last: plan, of: subscribe}
"""


class Function(NamedTuple):
    """A line of the reference.

    Attributes:
        call: how it is written.
        means: what it gives.
        example: an expression.
        value: what that gives, numbers to six digits.
    """

    call: str
    means: str
    example: str
    value: str


OPERATORS: Final = (
    Function("`a + b`, `a - b`, `a * b`, `-a`", "of numbers", "plays * 2 - 1", "7"),
    Function("`a / b`", "a quotient of doubles, also of whole numbers", "plays / 8", "0.5"),
    Function("`a % b`", "what a division leaves, with the sign of a", "-7 % 4", "-3"),
    Function("`<`, `<=`, `>`, `>=`", "of numbers", "plays >= 4", "true"),
    Function("`==`, `!=`", "of two numbers, truths or texts", 'plan != "free"', "true"),
    Function("`x in [..]`", "whether a text or number is one of constants", 'plan in ["pro", "team"]', "true"),
    Function("`a && b`, `a || b`, `!a`", "of truths", 'plays > 9 || plan == "pro"', "true"),
    Function("`a ? b : c`", "b if a is true, else c; both of one kind", 'plays > 9 ? "many" : "few"', "few"),
    Function("`map[text]`", "as `value`", 'artists["abba"]', "3"),
)
FUNCTION_TEXTS: Final[dict[str, Function]] = {
    "min": Function("min(a, b, ...)", "the smallest", "min(plays, 3)", "3"),
    "max": Function("max(a, b, ...)", "the largest", "max(1, plays, 3)", "4"),
    "abs": Function("abs(a)", "without the sign", "abs(-2)", "2"),
    "log": Function("log(a)", "the natural logarithm", "log(10)", "2.30259"),
    "log1p": Function("log1p(a)", "log(1 + a)", "log1p(plays)", "1.60944"),
    "log10": Function("log10(a)", "the decimal logarithm", "log10(1000)", "3"),
    "exp": Function("exp(a)", "e to the power of a", "exp(1)", "2.71828"),
    "exp2": Function("exp2(a)", "2 to the power of a", "exp2(3)", "8"),
    "sqrt": Function("sqrt(a)", "the square root", "sqrt(plays)", "2"),
    "pow": Function("pow(a, b)", "a to the power of b", "pow(plays, 1.5)", "8"),
    "floor": Function("floor(a)", "the next whole number below", "floor(-1.5)", "-2"),
    "ceil": Function("ceil(a)", "the next whole number above", "ceil(1.2)", "2"),
    "rounded": Function("rounded(a)", "to 12 decimals, as scores are published", "rounded(2 / 3) < 2 / 3", "false"),
    "sin": Function("sin(a)", "of an angle in radians", "sin(0)", "0"),
    "cos": Function("cos(a)", "of an angle in radians", "cos(0)", "1"),
    "coalesce": Function("coalesce(a, b, ...)", "the first that is finite", "coalesce(plays / 0, 7)", "7"),
    "clamp": Function("clamp(a, least, most)", "a, but not outside", "clamp(plays, 0, 3)", "3"),
    "size": Function("size(x)", "the characters of a text, or the entries of a map", "size(artists)", "2"),
    "top": Function(
        "top(map)", "the key with the largest value, of equal ones the first by name", "top(artists)", "abba"
    ),
    "top_share": Function("top_share(map)", "the largest value's share of the total", "top_share(artists)", "0.75"),
    "share": Function(
        "share(map, text)", "a key's share of the total; 0 if it is not there", 'share(artists, "queen")', "0.25"
    ),
    "value": Function("value(map, text)", "a key's value; 0 if it is not there", 'value(artists, "queen")', "1"),
    "total": Function("total(map)", "the sum of the values", "total(artists)", "4"),
    "day_angle": Function(
        "day_angle()", "the time of day in radians: 0 at midnight, pi at noon", "day_angle()", "4.84329"
    ),
    "hour": Function("hour()", "the hour of the day, 0 to 23", "hour()", "18"),
    "day_of_week": Function("day_of_week()", "0 for Monday to 6 for Sunday", "day_of_week()", "0"),
    "contains": Function("text.contains(text)", "whether it is a part", 'plan.contains("r")', "true"),
    "startsWith": Function("text.startsWith(text)", "whether it begins so", 'plan.startsWith("pr")', "true"),
    "endsWith": Function("text.endsWith(text)", "whether it ends so", 'plan.endsWith("x")', "false"),
}
PROFILE_TEXTS: Final[dict[str, str]] = {
    "events_total": "all events",
    "sessions_total": "sessions, the current one included",
    "first_event_ms": "time of the first event",
    "last_event_ms": "time of the newest event",
    "as_of_ms": "what everything is as of: the time of the newest event or, where the user is silent, an age later",
    "session_start_ms": "time of the current session's first event",
    "events_in_session": "events in the current session",
    "previous_session_end_ms": "time of the last event of the session before; 0 without one",
    "ended_sessions": "sessions that are over",
    "ended_sessions_ms": "their lengths, added up",
    "events_in_ended_sessions": "their events, added up",
}
