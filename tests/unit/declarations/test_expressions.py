"""What expressions compile to, and what is said about those that do not."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declarations.cel_functions import FUNCTIONS, METHODS
from declarations.cel_literals import text_of
from declarations.expressions import ExpressionError, Variable, compile_expression
from driftline.errors import InputError

PLAYS: list[Any] = ["feature", 0]
FAN: list[Any] = ["feature", 1]
BRAND: list[Any] = ["text_feature", 2]
MAP: list[Any] = ["map_feature", 3]
NAMES = {
    "plays_30d": Variable("number", PLAYS),
    "is_fan": Variable("bool", FAN),
    "brand": Variable("text", BRAND),
    "affinity": Variable("map", MAP),
    "kind": Variable("text", ["text", "play"]),
}


@pytest.mark.parametrize(
    ("text", "expr", "kind"),
    [
        ("2", 2.0, "number"),
        ("-2", -2.0, "number"),
        ("- 2", -2.0, "number"),
        ("0x1F", 31.0, "number"),
        (".5", 0.5, "number"),
        ("5.", 5.0, "number"),
        ("1e3", 1000.0, "number"),
        ("true", ["bool", True], "bool"),
        ("'a'", ["text", "a"], "text"),
        ("plays_30d", PLAYS, "number"),
        ("plays_30d // a comment", PLAYS, "number"),
        ("-plays_30d", ["neg", PLAYS], "number"),
        ("1 - 2 - 3", ["-", ["-", 1.0, 2.0], 3.0], "number"),
        ("1 + 2 * 3", ["+", 1.0, ["*", 2.0, 3.0]], "number"),
        ("(1 + 2) % 3", ["%", ["+", 1.0, 2.0], 3.0], "number"),
        ("plays_30d-1", ["-", PLAYS, 1.0], "number"),
        ("plays_30d >= 1 / 2", [">=", PLAYS, ["/", 1.0, 2.0]], "bool"),
        ("is_fan == true", ["==", FAN, ["bool", True]], "bool"),
        ("brand != ''", ["text_!=", BRAND, ["text", ""]], "bool"),
        ("!is_fan || is_fan && true", ["||", ["!", FAN], ["&&", FAN, ["bool", True]]], "bool"),
        ("is_fan ? 1 : is_fan ? 2 : 3", ["?:", FAN, 1.0, ["?:", FAN, 2.0, 3.0]], "number"),
        ("is_fan ? is_fan : false", ["?:", FAN, FAN, ["bool", False]], "bool"),
        ("is_fan ? 'a' : brand", ["text_?:", FAN, ["text", "a"], BRAND], "text"),
        ("brand in ['a', \"b\"]", ["matches_any", BRAND, "a", "b"], "bool"),
        ("kind in ['play']", ["matches_any", ["text", "play"], "play"], "bool"),
        ("plays_30d in [1, -2, 3.5]", ["number_in", PLAYS, 1.0, -2.0, 3.5], "bool"),
        ("plays_30d in []", ["number_in", PLAYS], "bool"),
        ("brand.contains('a')", ["contains", BRAND, ["text", "a"]], "bool"),
        ("top(affinity).startsWith(brand)", ["starts_with", ["top_key", MAP], BRAND], "bool"),
        ("brand.endsWith('a')", ["ends_with", BRAND, ["text", "a"]], "bool"),
        ("size(brand)", ["size", BRAND], "number"),
        ("size(affinity)", ["entries", MAP], "number"),
        ("top_share(affinity)", ["top_share", MAP], "number"),
        ("share(affinity, brand)", ["share_of", MAP, BRAND], "number"),
        ("value(affinity, 'a')", ["value_of", MAP, ["text", "a"]], "number"),
        ("affinity['a']", ["value_of", MAP, ["text", "a"]], "number"),
        ("total(affinity)", ["total", MAP], "number"),
        ("affinity", MAP, "map"),
        ("min(1, 2, plays_30d)", ["min", 1.0, 2.0, PLAYS], "number"),
        ("clamp(plays_30d, 0, 1)", ["clamp", PLAYS, 0.0, 1.0], "number"),
        ("hour()", ["hour", ["slot", "last_ms"]], "number"),
        ("day_angle(plays_30d)", ["day_angle", PLAYS], "number"),
        ("finish > 0.8", [">", ["score", "finish"], 0.8], "bool"),
    ],
)
def test_an_expression_becomes_data(text: str, expr: Any, kind: str) -> None:
    typed = compile_expression(text, NAMES, scores=["finish"])
    assert (typed.expr, typed.type) == (expr, kind)


def test_an_expression_tells_what_it_uses() -> None:
    text = "plays_30d + value(affinity, 'brand') > finish ? hour() : plays_30d"
    assert compile_expression(text, NAMES, ["finish", "other"]).uses == {"plays_30d", "affinity", "finish"}


def test_a_variable_has_precedence_over_a_score_of_its_name() -> None:
    assert compile_expression("plays_30d", NAMES, ["plays_30d"]).expr == PLAYS


def test_a_variable_may_have_the_name_of_a_function() -> None:
    names = {"size": Variable("number", PLAYS), "nullable": Variable("number", PLAYS), "in_": Variable("bool", FAN)}
    assert compile_expression("min(size, nullable)", names).expr == ["min", PLAYS, PLAYS]
    assert compile_expression("in_", names).expr == FAN


def test_a_filter_is_of_the_events_time() -> None:
    time: list[Any] = ["event", "time_ms"]
    names = {"time": Variable("number", time)}
    assert compile_expression("hour() < hour(time)", names, now=time).expr == ["<", ["hour", time], ["hour", time]]
    assert compile_expression("day_of_week()", names).expr == ["day_of_week", ["slot", "last_ms"]]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        # Names.
        ("1 + play_30d", 5, "there is no play_30d; did you mean plays_30d?"),
        ("Brand == ''", 1, "there is no Brand; did you mean brand?"),
        ("finnish > 1", 1, "there is no finnish; did you mean finish?"),
        ("xyz", 1, "there is no xyz"),
        ("logp(1)", 1, "there is no function logp; did you mean log1p?"),
        ("min", 1, "min is a function: write min(...)"),
        ("contains", 1, "contains is a function of a text: write text.contains(...)"),
        ("contains(brand, 'a')", 1, "contains is a function of a text: write text.contains(...)"),
        ("brand.startswith('a')", 7, "there is no function startswith; did you mean startsWith?"),
        ("brand.size()", 7, "size stands before what it is of: write size(...)"),
        ("plays_30d()", 1, "plays_30d is no function: leave out the ( )"),
        # Kinds.
        ("1 + brand", 5, "+ needs numbers, and brand is a text"),
        ("is_fan * 2", 1, "* needs numbers, and is_fan is true or false"),
        ("brand < 'b'", 1, "< needs numbers, and brand is a text"),
        ("-brand", 2, "- needs a number, and brand is a text"),
        ("!plays_30d", 2, "! needs true or false, and plays_30d is a number"),
        ("is_fan && plays_30d", 11, "&& needs true or false, and plays_30d is a number"),
        ("plays_30d || is_fan", 1, "|| needs true or false, and plays_30d is a number"),
        ("plays_30d ? 1 : 2", 1, "? needs true or false, and plays_30d is a number"),
        ("is_fan ? 1 : 'a'", 14, "both sides of : must be of one kind, and 1 is a number, 'a' is a text"),
        ("is_fan ? affinity : affinity", 10, "? cannot choose between maps, and affinity is a map"),
        ("1 < 2 < 3", 1, "< needs numbers, and 1 < 2 is true or false"),
        ("brand == 1", 10, "== compares what is of one kind, and brand is a text, 1 is a number"),
        ("is_fan != 1", 11, "!= compares what is of one kind, and is_fan is true or false, 1 is a number"),
        ("affinity == affinity", 1, "== cannot compare maps, and affinity is a map"),
        ("log1p(brand)", 7, "log1p needs a number, and brand is a text"),
        ("max(1, 2, brand)", 11, "max needs a number, and brand is a text"),
        ("size(1)", 6, "size needs a text or a map, and 1 is a number"),
        ("share(affinity, 1)", 17, "share needs a text, and 1 is a number"),
        ("share('a', affinity)", 7, "share needs a map, and 'a' is a text"),
        ("brand.contains(1)", 16, "contains needs a text, and 1 is a number"),
        ("affinity[1]", 10, "[ ] needs a text, and 1 is a number"),
        ("brand['a']", 1, "[ ] needs a map, and brand is a text"),
        # Counts of arguments.
        ("log(1, 2)", 1, "log takes 1 argument, not 2"),
        ("clamp(1, 2)", 1, "clamp takes 3 arguments, not 2"),
        ("min(1)", 1, "min takes 2 or more arguments, not 1"),
        ("size()", 1, "size takes 1 argument, not 0"),
        ("hour(1, 2)", 1, "hour takes 1 argument, not 2"),
        ("brand.contains()", 7, "contains takes 1 argument, not 0"),
        # Lists.
        ("brand in brand", 10, 'in needs a list, as in x in ["a", "b"], and brand is a text'),
        (
            "brand in affinity",
            10,
            'in needs a list, as in x in ["a", "b"], and affinity is a map; for a key, write value(affinity, key) != 0',
        ),
        ("is_fan in [true]", 1, "in needs a text or a number, and is_fan is true or false"),
        ("brand in ['a', 1]", 16, "in compares what is of one kind, and brand is a text, 1 is a number"),
        ("plays_30d in [1 + 1]", 15, "a list has constants alone, and 1 + 1 is none"),
        ("[1, 2]", 1, 'a list can stand only behind in, as in x in ["a", "b"]'),
        # What CEL has and expressions have not.
        ("[1].all(x, x > 0)", 5, "there is no function all: macros are not supported"),
        ("has(brand)", 1, "there is no function has: macros are not supported"),
        (
            "brand.matches('a+')",
            7,
            "there is no function matches: regular expressions are not supported; "
            "use contains, startsWith, endsWith or in",
        ),
        ("double(plays_30d)", 1, "there is no function double: all numbers are doubles, so leave it out"),
        (
            "timestamp('2026-01-01T00:00:00Z')",
            1,
            "there is no function timestamp: times are numbers, in milliseconds since 1970; "
            "see hour, day_of_week and day_angle",
        ),
        ("1u", 1, "all numbers are doubles, so leave out the u"),
        ("b'a'", 1, "bytes are not supported; leave out the b for a text"),
        ("null", 1, "there is no null; what is not known is a feature's default, or an empty text"),
        ("{'a': 1}", 1, "maps cannot be written; only features are maps"),
        ("Point{x: 1}", 1, "messages are not supported"),
        (".brand", 1, "a name cannot begin with a dot"),
        (".min(1, 2)", 1, "a name cannot begin with a dot"),
        ("affinity.shoes > 1", 10, 'affinity has no fields, so .shoes is wrong; write affinity["shoes"]'),
        ("brand.length", 7, "brand has no fields, so .length is wrong"),
        # Literals.
        ("1e999", 1, "1e999 is too large"),
        ("0x" + "f" * 300, 1, "0x" + "f" * 38 + " is too large"),
        (r"'a\q'", 1, r"a text cannot have the escape \q; write \\ for a backslash"),
        (r"'\ud800'", 1, "half of a surrogate pair is no character"),
        # Syntax.
        ("", 1, "the expression is empty"),
        (" // only a comment", 19, "the expression ends too early"),
        ("1 +", 4, "the expression ends too early"),
        ("(1", 3, "the expression ends too early"),
        ("1)", 2, ") is not expected here"),
        ("plays_30d = 1", 11, "= is not expected here; write == to compare"),
        ("is_fan and is_fan", 8, "and is not expected here; write &&"),
        ("is_fan or is_fan", 8, "or is not expected here; write ||"),
        ("not is_fan", 5, "is_fan is not expected here; write !"),
        ("is_fan & is_fan", 8, "& is not expected here; write &&"),
        ("plays_30d ** 2", 12, "* is not expected here; write pow(x, y) for a power"),
        ("brand == 'a", 10, "' is not expected here; the text has no closing quote"),
        ("is_fan ?\n  plays_30d :\n  brand + 1", 26, "+ needs numbers, and brand is a text"),
        ("1 +\n  2 $ 3", 9, "$ is not expected here"),
    ],
)
def test_an_error_names_the_wrong_word(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, NAMES, scores=["finish"])
    assert (caught.value.message, caught.value.column) == (message, column)
    assert str(caught.value) == f"column {column}: {message}"


def test_an_error_is_one_of_the_input_and_survives_pickling() -> None:
    error: ExpressionError = pickle.loads(pickle.dumps(ExpressionError("there is no x", 3)))  # noqa: S301
    assert issubclass(ExpressionError, InputError)
    assert (error.message, error.column) == ("there is no x", 3)


@pytest.mark.parametrize(
    "text",
    [
        "+".join(["1"] * 102),
        "-" * 102 + "plays_30d",
        "min(1," * 101 + "1" + ")" * 101,
        "is_fan ? 1 : " * 101 + "2",
    ],
)
def test_deep_expressions_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="nested deeper than 100; split it into several features"):
        compile_expression(text, NAMES)


def test_brackets_alone_are_not_deep_and_long_texts_are_refused() -> None:
    assert compile_expression("(" * 3000 + "1" + ")" * 3000, {}).expr == 1.0
    with pytest.raises(ExpressionError, match="more than 10000 characters"):
        compile_expression("1" * 10_001, {})


PIECES = [*"()[]{}.,?:!&|<>=+-*/%'\"\\ \n10xuré", "plays_30d", "is_fan", "brand", "affinity", "in", "&&", "min("]


@given(st.lists(st.sampled_from(PIECES), max_size=15).map("".join))
def test_whatever_is_written_compiles_or_has_an_error_of_one_line(text: str) -> None:
    try:
        compile_expression(text, NAMES)
    except ExpressionError as error:
        assert "\n" not in error.message
        assert 1 <= error.column <= len(text) + 1


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["'", '"', "'''", '"""']))
def test_a_text_is_read_as_it_was_escaped(value: str, quote: str) -> None:
    assert text_of(quote + "".join(f"\\U{ord(c):08x}" for c in value) + quote) == value


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("''", ""),
        ("''''''", ""),
        ("'''it's'''", "it's"),
        (r'"\a\b\f\n\r\t\v\\\?\"\'\`"', "\a\b\f\n\r\t\v\\?\"'`"),
        (r"'\x41\101\u00e9\U0001f600'", "AAé😀"),
        (r"r'\x41\'", r"\x41" + "\\"),
        (r'R"""\n"""', r"\n"),
    ],
)
def test_texts_have_the_escapes_of_cel(literal: str, value: str) -> None:
    assert text_of(literal) == value


@pytest.mark.parametrize("literal", [r"'\400'", r"'\1'", r"'\x4'", r"'\u12'", r"'\U00110000'", "'\\'"])
def test_other_escapes_are_refused(literal: str) -> None:
    with pytest.raises(ValueError, match="cannot have the escape"):
        text_of(literal)


def test_every_operation_that_is_compiled_to_is_in_the_decision() -> None:
    decision = Path("docs/decisions/0032-declarations.md").read_text()
    listed = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]*)`", decision))))
    ops = {one.op for signatures in FUNCTIONS.values() for one in signatures} | {one.op for one in METHODS.values()}
    assert ops | {"matches_any", "number_in", "neg", "score"} <= listed
