"""Literals of CEL: numbers and texts as they are written, into their values."""

from __future__ import annotations

import re
from math import isfinite
from typing import Final

_TRIPLE: Final = ('"""', "'''")
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.|$)", re.DOTALL)
_SHORT: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "?": "?",
    '"': '"',
    "'": "'",
    "`": "`",
}
_CODE_POINTS: Final = 0x110000


def number_of(literal: str) -> float:
    """Return the value of an integer or a double.

    Raises:
        ValueError: it is too large for a double.
    """
    try:
        value = float(int(literal, 16)) if "x" in literal else float(literal)
    except OverflowError:
        value = float("inf")
    if not isfinite(value):
        message = f"{literal[:40]} is too large"
        raise ValueError(message)
    return value


def text_of(literal: str) -> str:
    """Return the value of a text in its quotes, of which there may be three, and an r before them.

    Raises:
        ValueError: an escape that CEL does not know, or half of a surrogate pair, which is no character.
    """
    raw = literal[0] in "rR"
    body = literal[1:] if raw else literal
    quotes = 3 if len(body) > 5 and body.startswith(_TRIPLE) else 1  # noqa: PLR2004  (two times three quotes)
    body = body[quotes:-quotes]
    value = body if raw else _ESCAPE.sub(_unescaped, body)
    try:
        value.encode()
    except UnicodeEncodeError:
        message = "half of a surrogate pair is no character"
        raise ValueError(message) from None
    return value


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if escape in _SHORT:
        return _SHORT[escape]
    if escape[:1] in {"x", "u", "U"} and len(escape) > 1:
        code = int(escape[1:], 16)
    elif len(escape) == 3:  # noqa: PLR2004  (octal digits)
        code = int(escape, 8)
    else:
        code = _CODE_POINTS
    if code >= _CODE_POINTS:
        message = f"a text cannot have the escape \\{escape}; write \\\\ for a backslash"
        raise ValueError(message)
    return chr(code)
