"""Expressions of declarations: from CEL as users write it to the typed data of a plan.

Decision 32 lists the operations. cel-python's grammar parses; what is here walks its tree, resolves the names and finds
the kind of each part, so that a plan has neither names to resolve nor kinds to check.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from lark import Token, Tree

from declarations.cel_functions import (
    FUNCTIONS,
    METHODS,
    OF_TIME,
    UNSUPPORTED,
    VALUE_OF,
    Kind,
)
from declarations.cel_kinds import Expr, Part, called, equality, membership, nearest, require
from declarations.cel_literals import number_of, text_of
from declarations.cel_parsing import ExpressionError, column_of, parsed, shown, token_of, tree_of, unwrapped, wrong

__all__ = ["RESERVED", "Expr", "ExpressionError", "Kind", "Typed", "Variable", "compile_expression"]

RESERVED: Final = frozenset({"true", "false", "null", "in"})  # names that no variable can have
DEPTH_MAX: Final = 100  # of operations in each other, as in a sum of so many terms

_AS_OF: Final = ["slot", "last_ms"]
_OPERATORS: Final = {
    "relation_lt": "<",
    "relation_le": "<=",
    "relation_gt": ">",
    "relation_ge": ">=",
    "addition_add": "+",
    "addition_sub": "-",
    "multiplication_mul": "*",
    "multiplication_div": "/",
    "multiplication_mod": "%",
    "relation_eq": "==",
    "relation_ne": "!=",
    "relation_in": "in",
}
_COMPARISONS: Final = frozenset({"<", "<=", ">", ">="})
_EQUALITIES: Final = frozenset({"==", "!="})
_NO_LITERALS: Final = {
    "UINT_LIT": "all numbers are doubles, so leave out the u",
    "BYTES_LIT": "bytes are not supported; leave out the b for a text",
    "NULL_LIT": "there is no null; what is not known is a feature's default, or an empty text",
}
_NOT_SUPPORTED: Final = {
    "member_object": "messages are not supported",
    "map_lit": "maps cannot be written; only features are maps",
    "list_lit": 'a list can stand only behind in, as in x in ["a", "b"]',
    "dot_ident": "a name cannot begin with a dot",
    "dot_ident_arg": "a name cannot begin with a dot",
}


class Variable(NamedTuple):
    """What a name stands for in an expression."""

    kind: Kind
    expr: Expr


class Typed(NamedTuple):
    """An expression of a plan.

    Attributes:
        expr: the data.
        type: the kind of its value.
        uses: the variables and scores that it names.
    """

    expr: Expr
    type: Kind
    uses: frozenset[str]


def compile_expression(
    text: str, names: Mapping[str, Variable], scores: Collection[str] = (), now: Expr | None = None
) -> Typed:
    """Compile an expression of CEL.

    Args:
        text: as the user wrote it.
        names: what may be named in it, besides the functions.
        scores: names of scores, which are numbers; a variable of the same name has precedence.
        now: the time that hour() and its like are of; the as-of time if absent.

    Raises:
        ExpressionError: it is no CEL, names something that is not there, or does not fit together.
    """
    compiler = _Compiler(text, names, scores, _AS_OF if now is None else now)
    part = compiler.part(parsed(text), 0)
    return Typed(part.expr, part.kind, frozenset(compiler.uses))


class _Compiler:
    """Compiles the tree of one expression."""

    def __init__(self, text: str, names: Mapping[str, Variable], scores: Collection[str], now: Expr) -> None:
        self.uses: set[str] = set()
        self._text = text
        self._names = names
        self._scores = scores
        self._now = now
        self._rules: dict[str, Callable[[Tree[Token], int], tuple[Expr, Kind]]] = {
            "literal": self._literal,
            "ident": self._name,
            "ident_arg": self._call,
            "member_dot": self._member,
            "member_dot_arg": self._method,
            "member_index": self._index,
            "unary": self._unary,
            "expr": self._choice,
            "conditionalor": self._logic,
            "conditionaland": self._logic,
        }

    def part(self, tree: Tree[Token], depth: int) -> Part:
        """Compile a tree."""
        tree = unwrapped(tree)
        column = column_of(tree)
        if depth > DEPTH_MAX:
            message = f"the expression is nested deeper than {DEPTH_MAX}; split it into several features"
            raise wrong(column, message)
        if tree.data in _NOT_SUPPORTED:
            raise wrong(column, _NOT_SUPPORTED[tree.data])
        expr, kind = self._rules.get(tree.data, self._operator)(tree, depth + 1)
        return Part(expr, kind, self._text[column - 1 : tree.meta.end_pos], column)

    def _literal(self, tree: Tree[Token], _: int) -> tuple[Expr, Kind]:
        token = token_of(tree.children[0])
        column = column_of(tree)
        if token.type in _NO_LITERALS:
            raise wrong(column, _NO_LITERALS[token.type])
        if token.type == "BOOL_LIT":
            return ["bool", str(token) == "true"], "bool"
        try:
            if token.type in {"STRING_LIT", "MLSTRING_LIT"}:
                return ["text", text_of(token)], "text"
            return number_of(token), "number"
        except ValueError as error:
            raise wrong(column, str(error)) from None

    def _name(self, tree: Tree[Token], _: int) -> tuple[Expr, Kind]:
        name = str(token_of(tree.children[0]))
        if name in self._names:
            self.uses.add(name)
            return self._names[name].expr, self._names[name].kind
        if name in self._scores:
            self.uses.add(name)
            return ["score", name], "number"
        if name in FUNCTIONS:
            message = f"{name} is a function: write {name}(...)"
        elif name in METHODS:
            message = f"{name} is a function of a text: write text.{name}(...)"
        else:
            message = f"there is no {shown(name)}{nearest(name, [*self._names, *self._scores])}"
        raise wrong(column_of(tree), message)

    def _call(self, tree: Tree[Token], depth: int) -> tuple[Expr, Kind]:
        name = str(token_of(tree.children[0]))
        column = column_of(tree)
        if name in UNSUPPORTED:
            raise wrong(column, f"there is no function {name}: {UNSUPPORTED[name]}")
        if name in METHODS:
            raise wrong(column, f"{name} is a function of a text: write text.{name}(...)")
        if name not in FUNCTIONS:
            if name in self._names or name in self._scores:
                raise wrong(column, f"{name} is no function: leave out the ( )")
            message = f"there is no function {shown(name)}{nearest(name, [*FUNCTIONS, *METHODS])}"
            raise wrong(column, message)
        arguments = self._arguments(tree, depth)
        if not arguments and name in OF_TIME:
            arguments = [Part(self._now, "number", "", column)]
        return called(name, FUNCTIONS[name], arguments, column)

    def _arguments(self, tree: Tree[Token], depth: int) -> list[Part]:
        """Compile the list of expressions at a call's or list's end; there is none between empty brackets."""
        last = tree.children[-1] if tree.children else None
        listed = last.children if isinstance(last, Tree) and last.data == "exprlist" else []
        return [self.part(tree_of(one), depth) for one in listed]

    def _method(self, tree: Tree[Token], depth: int) -> tuple[Expr, Kind]:
        name_token = token_of(tree.children[1])
        name, column = str(name_token), column_of(name_token)
        if name in UNSUPPORTED:
            raise wrong(column, f"there is no function {name}: {UNSUPPORTED[name]}")
        if name in FUNCTIONS:
            raise wrong(column, f"{name} stands before what it is of: write {name}(...)")
        if name not in METHODS:
            message = f"there is no function {shown(name)}{nearest(name, list(METHODS))}"
            raise wrong(column, message)
        receiver = self.part(tree_of(tree.children[0]), depth)
        arguments = self._arguments(tree, depth)
        if len(arguments) != 1:
            raise wrong(column, f"{name} takes 1 argument, not {len(arguments)}")
        return called(name, (METHODS[name],), [receiver, *arguments], column)

    def _member(self, tree: Tree[Token], depth: int) -> tuple[Expr, Kind]:
        receiver = self.part(tree_of(tree.children[0]), depth)
        token = token_of(tree.children[1])
        source = shown(receiver.source)
        hint = f'; write {source}["{token}"]' if receiver.kind == "map" else ""
        raise wrong(column_of(token), f"{source} has no fields, so .{token} is wrong{hint}")

    def _index(self, tree: Tree[Token], depth: int) -> tuple[Expr, Kind]:
        arguments = [self.part(tree_of(child), depth) for child in tree.children]
        return called("[ ]", (VALUE_OF,), arguments, arguments[1].column)

    def _unary(self, tree: Tree[Token], depth: int) -> tuple[Expr, Kind]:
        negative = tree_of(tree.children[0]).data == "unary_neg"
        inner = self.part(tree_of(tree.children[1]), depth)
        if negative:
            require("-", "number", inner)
            return (-inner.expr if isinstance(inner.expr, float) else ["neg", inner.expr]), "number"
        require("!", "bool", inner)
        return ["!", inner.expr], "bool"

    def _choice(self, tree: Tree[Token], depth: int) -> tuple[Expr, Kind]:
        condition, yes, no = [self.part(tree_of(child), depth) for child in tree.children]
        require("?", "bool", condition)
        if yes.kind != no.kind:
            message = f"both sides of : must be of one kind, and {yes.named()}, {no.named()}"
            raise wrong(no.column, message)
        if yes.kind == "map":
            raise wrong(yes.column, f"? cannot choose between maps, and {yes.named()}")
        return ["text_?:" if yes.kind == "text" else "?:", condition.expr, yes.expr, no.expr], yes.kind

    def _logic(self, tree: Tree[Token], depth: int) -> tuple[Expr, Kind]:
        op = "||" if tree.data == "conditionalor" else "&&"
        left, right = [self.part(tree_of(child), depth) for child in tree.children]
        require(op, "bool", left, right)
        return [op, left.expr, right.expr], "bool"

    def _operator(self, tree: Tree[Token], depth: int) -> tuple[Expr, Kind]:
        """Compile a relation, a sum or a product: a rule named by the operator, and what stands right of it."""
        first, second = tree_of(tree.children[0]), tree_of(tree.children[1])
        op = _OPERATORS[first.data]
        left = self.part(tree_of(first.children[0]), depth)
        if op == "in":
            return self._in(left, second, depth)
        right = self.part(second, depth)
        if op in _EQUALITIES:
            return equality(op, left, right)
        require(op, "number", left, right)
        return [op, left.expr, right.expr], "bool" if op in _COMPARISONS else "number"

    def _in(self, left: Part, tree: Tree[Token], depth: int) -> tuple[Expr, Kind]:
        listed = unwrapped(tree)
        if listed.data == "list_lit":
            return membership(left, self._arguments(listed, depth))
        right = self.part(listed, depth)
        hint = f"; for a key, write value({shown(right.source)}, key) != 0" if right.kind == "map" else ""
        raise wrong(right.column, f'in needs a list, as in x in ["a", "b"], and {right.named()}{hint}')
