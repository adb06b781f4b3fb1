"""Collects what is wrong with declarations, with file and line, so that one check shows everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from declarations.errors import DeclarationError

Path = tuple[str | int, ...]
_SHOWN_MAX = 15  # accepted values that a message lists
_TEXT_CHARS_MAX = 60  # of a wrong value


class Place(NamedTuple):
    """Where something stands; lines count from 1."""

    file: str
    line: int


class Problems:
    """What is wrong, in the order of files and lines.

    Args:
        places: where each path of the declarations stands; a path that is not there stands where its parent does.
    """

    def __init__(self, places: Mapping[Path, Place]) -> None:
        self._places = places
        self._found: dict[tuple[Place, str], None] = {}

    def add(self, path: Path, message: str, *, at: Path | None = None) -> None:
        """Add a problem of a path; `at` says where it stands if that is a deeper path."""
        self.add_at(self.place(path if at is None else at), path, message)

    def add_at(self, place: Place, path: Path, message: str) -> None:
        """Add a problem at a place."""
        where = f"{place.file}:{place.line}" if place.line else place.file
        dotted = ".".join(str(part) for part in path)
        text = " ".join(f"{dotted}: {message}".split() if dotted else message.split())
        self._found[place, f"{where}: {text}"] = None

    def place(self, path: Path) -> Place:
        """Return where a path or its nearest known parent stands."""
        while path and path not in self._places:
            path = path[:-1]
        return self._places.get(path, Place("declarations", 0))

    @property
    def lines(self) -> tuple[str, ...]:
        """The problems as lines, sorted by file and line."""
        return tuple(text for _, text in sorted(self._found))

    def raise_if_any(self) -> None:
        """Raise DeclarationError if there is any problem."""
        if self._found:
            raise DeclarationError(self.lines)


def shown(value: Any) -> str:
    """Return a value as it is shown in a message: cut, with the words of YAML."""
    text = str(value).lower() if isinstance(value, bool) else "null" if value is None else repr(value)
    return text if len(text) <= _TEXT_CHARS_MAX else f"{text[: _TEXT_CHARS_MAX - 3]}..."


def instead(word: str, accepted: Iterable[str]) -> str:
    """Return the end of a message about a wrong word: the nearest accepted one, or all of them."""
    names = sorted(set(accepted))
    by_lower = {name.lower(): name for name in names}
    near = get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    if near:
        return f"; did you mean {by_lower[near[0]]!r}?"
    if not names:
        return "; there is none"
    more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
    return f"; accepted: {', '.join(names[:_SHOWN_MAX])}{more}"
