"""The parts of expressions with their kinds, and what may be combined with what."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, NamedTuple

from declarations.cel_functions import KIND_WORDS, Kind, Signature
from declarations.cel_parsing import shown, wrong

Expr = float | list[Any]


class Part(NamedTuple):
    """A compiled part of an expression."""

    expr: Expr
    kind: Kind
    source: str  # as the user wrote it
    column: int

    def named(self) -> str:
        """Return what it is, for a message."""
        return f"{shown(self.source)} is {KIND_WORDS[self.kind]}"

    @property
    def constant(self) -> bool:
        """Whether it is a literal."""
        return isinstance(self.expr, float) or self.expr[0] in {"text", "bool"}


def require(op: str, kind: Kind, *parts: Part) -> None:
    """Refuse operands of another kind."""
    for part in parts:
        if part.kind != kind:
            wanted = "numbers" if kind == "number" and len(parts) > 1 else KIND_WORDS[kind]
            raise wrong(part.column, f"{op} needs {wanted}, and {part.named()}")


def equality(op: str, left: Part, right: Part) -> tuple[Expr, Kind]:
    """Return a comparison of two numbers, truths or texts."""
    if left.kind != right.kind:
        raise wrong(right.column, f"{op} compares what is of one kind, and {left.named()}, {right.named()}")
    if left.kind == "map":
        raise wrong(left.column, f"{op} cannot compare maps, and {left.named()}")
    return [f"text_{op}" if left.kind == "text" else op, left.expr, right.expr], "bool"


def membership(left: Part, elements: list[Part]) -> tuple[Expr, Kind]:
    """Return whether a text or a number is one of constants."""
    if left.kind not in {"text", "number"}:
        raise wrong(left.column, f"in needs a text or a number, and {left.named()}")
    for element in elements:
        if not element.constant:
            raise wrong(element.column, f"a list has constants alone, and {shown(element.source)} is none")
        if element.kind != left.kind:
            raise wrong(element.column, f"in compares what is of one kind, and {left.named()}, {element.named()}")
    op = "matches_any" if left.kind == "text" else "number_in"
    constants = [one.expr[1] if isinstance(one.expr, list) else one.expr for one in elements]
    return [op, left.expr, *constants], "bool"


def called(name: str, signatures: tuple[Signature, ...], arguments: list[Part], column: int) -> tuple[Expr, Kind]:
    """Return a call of a function, by the one of its signatures whose first argument fits."""
    fits = [one for one in signatures if arguments and one.takes[0] == arguments[0].kind]
    signature = fits[0] if fits else signatures[0]
    _require_count(name, signature, len(arguments), column)
    if not fits and len(signatures) > 1:
        wanted = " or ".join([KIND_WORDS[one.takes[0]] for one in signatures])
        raise wrong(arguments[0].column, f"{name} needs {wanted}, and {arguments[0].named()}")
    last = len(signature.takes) - 1
    for position, argument in enumerate(arguments):
        require(name, signature.takes[min(position, last)], argument)
    return [signature.op, *[argument.expr for argument in arguments]], signature.gives


def _require_count(name: str, signature: Signature, count: int, column: int) -> None:
    least = len(signature.takes)
    if count == least or (count > least and signature.many):
        return
    takes = f"{least} or more arguments" if signature.many else f"{least} argument{'s' if least > 1 else ''}"
    raise wrong(column, f"{name} takes {takes}, not {count}")


def nearest(name: str, candidates: Collection[str]) -> str:
    """Return a question after the name that may be meant; empty if none is alike."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    near = get_close_matches(name.lower(), list(by_lower), n=1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""
