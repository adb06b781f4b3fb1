"""Parses CEL with cel-python's grammar, and says in one line what is wrong with what cannot be parsed."""

from __future__ import annotations

import re
from typing import Final

from celpy.celparser import CELParseError, CELParser
from lark import Token, Tree, UnexpectedToken

from driftline.errors import InputError

CHARACTERS_MAX: Final = 10_000

_WORD: Final = re.compile(r"\w+|.", re.DOTALL)
_WORD_BEFORE: Final = re.compile(r"(\w+|[^\w\s])\s*$")
_SHOWN_MAX: Final = 40  # characters of an expression in a message
# Rules of the grammar that, with one child, are that child.
_WRAPPERS: Final = frozenset(
    (
        "expr",
        "conditionalor",
        "conditionaland",
        "relation",
        "addition",
        "multiplication",
        "unary",
        "member",
        "primary",
        "paren_expr",
    )
)
# What people write who come from other languages.
_HINTS: Final = {
    "=": "write == to compare",
    "&": "write &&",
    "|": "write ||",
    "and": "write &&",
    "AND": "write &&",
    "or": "write ||",
    "OR": "write ||",
    "not": "write !",
    "NOT": "write !",
    "if": "write condition ? a : b",
    "^": "write pow(x, y)",
    "*": "write pow(x, y) for a power",
    "'": "the text has no closing quote",
    '"': "the text has no closing quote",
}


class ExpressionError(InputError):
    """An expression is wrong.

    Attributes:
        message: one line, without the column.
        column: of the wrong word, from 1, counted in characters from the beginning of the expression.
    """

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message, column)
        self.message = message
        self.column = column

    def __str__(self) -> str:
        return f"column {self.column}: {self.message}"


def wrong(column: int, message: str) -> ExpressionError:
    """Return the error to raise."""
    return ExpressionError(message, column)


def shown(source: str) -> str:
    """Return an expression's text for a message: in one line, and not too long."""
    line = " ".join(source.split())
    return line if len(line) <= _SHOWN_MAX else f"{line[: _SHOWN_MAX - 3]}..."


def parsed(text: str) -> Tree[Token]:
    """Return the tree of the grammar's rules.

    Raises:
        ExpressionError: it is too long or no CEL.
    """
    if len(text) > CHARACTERS_MAX:
        message = f"the expression has more than {CHARACTERS_MAX} characters; split it into several features"
        raise ExpressionError(message, 1)
    try:
        return CELParser().parse(text)
    except CELParseError as error:
        above = text.split("\n")[: (error.line or 1) - 1]
        position = sum(len(line) + 1 for line in above) + (error.column or 1) - 1
        cause = error.__context__
        at_end = isinstance(cause, UnexpectedToken) and cause.token.type == "$END"
        raise _syntax_error(text, position, at_end) from None


def _syntax_error(text: str, position: int, at_end: bool) -> ExpressionError:
    if not text.strip():
        return ExpressionError("the expression is empty", 1)
    if at_end:
        return ExpressionError("the expression ends too early", len(text.rstrip()) + 1)
    found = _WORD.match(text, position)
    word = found[0] if found else ""
    before = _WORD_BEFORE.search(text[:position])
    # `not x` and `x = y` are read up to x and to =, so the word before may be the one that is wrong.
    hint = _HINTS.get(word) or (_HINTS.get(before[1]) if before else None)
    return ExpressionError(f"{shown(word)} is not expected here" + (f"; {hint}" if hint else ""), position + 1)


def unwrapped(tree: Tree[Token]) -> Tree[Token]:
    """Return the tree below all rules that only pass another through."""
    while tree.data in _WRAPPERS and len(tree.children) == 1:
        tree = tree_of(tree.children[0])
    return tree


def column_of(child: Tree[Token] | Token) -> int:
    """Return where it begins, from 1."""
    position = child.meta.start_pos if isinstance(child, Tree) else child.start_pos
    return (position or 0) + 1


def tree_of(child: Tree[Token] | Token) -> Tree[Token]:
    """Return a child that is a tree by the grammar."""
    if not isinstance(child, Tree):
        raise TypeError(child)
    return child


def token_of(child: Tree[Token] | Token) -> Token:
    """Return a child that is a token by the grammar."""
    if not isinstance(child, Token):
        raise TypeError(child)
    return child
