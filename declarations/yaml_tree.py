"""Reads YAML 1.2 as plain data with the line of each key: `no` and `on` stay words, and no key may be there twice."""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from declarations.problems import Path, shown

_NODES_MAX = 100_000  # of a file, aliases counted as often as they are used: a file of aliases must not fill the memory
_DEPTH_MAX = 32
_TAG = "tag:yaml.org,2002:"
_BASES = {"0x": 16, "0o": 8, "0b": 2}
# What an expression without quotes mostly comes to: with a choice, an index, a list, a text or a negation in it.
_UNQUOTED = re.compile(r"but got '(?::|\[|\{|<scalar>)'|but found '(?:\}|<scalar>)'|mapping values are not allowed")
_QUOTES = "; an expression with any of : [ ] { } , ! or a text in it stands in quotes"


class Tree:
    """A file as plain data.

    Attributes:
        data: dicts, lists, texts, numbers, truths and None; None if the file is empty or cannot be read.
        lines: the line of each path, from 1; () is the first line.
        problems: what is wrong with the file as YAML: line, path and message.
    """

    def __init__(self, text: str) -> None:
        self.data: Any = None
        self.lines: dict[Path, int] = {(): 1}
        self.problems: list[tuple[int, Path, str]] = []
        self._nodes = 0
        try:
            node = YAML(typ="safe", pure=True).compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = str(error.problem or error.context)
            hint = _QUOTES if _UNQUOTED.search(what) else ""
            self.problems.append((mark.line + 1 if mark else 1, (), f"not YAML: {what}{hint}"))
            return
        except (YAMLError, ValueError, RecursionError) as error:
            self.problems.append((1, (), f"not YAML: {str(error).splitlines()[0]}"))
            return
        if node is not None:
            self.data = self._value(node, ())

    def _value(self, node: Node, path: Path) -> Any:
        self._nodes += 1
        line = node.start_mark.line + 1
        if self._nodes > _NODES_MAX or len(path) > _DEPTH_MAX:
            if not self.problems or self.problems[-1][2] != _TOO_MUCH:
                self.problems.append((line, (), _TOO_MUCH))
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return self._sequence(node, path)
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.problems.append((line, path, "a key must be a word"))
                continue
            key = str(key_node.value)
            inner = (*path, key)
            if key in found:
                self.problems.append((line, inner, f"{key!r} is there twice; the first is in line {self.lines[inner]}"))
                continue
            self.lines[inner] = line
            found[key] = self._value(value_node, inner)
        return found

    def _sequence(self, node: SequenceNode, path: Path) -> list[Any]:
        items: list[Any] = []
        for index, item in enumerate(node.value):
            self.lines[(*path, index)] = item.start_mark.line + 1
            items.append(self._value(item, (*path, index)))
        return items

    def _scalar(self, node: Node, path: Path) -> Any:
        text = str(node.value)
        kind = str(node.tag).removeprefix(_TAG)
        if kind.startswith("!"):
            self.problems.append((node.start_mark.line + 1, path, f"{shown(kind)} is a tag of YAML{_QUOTES}"))
            return kind + text
        try:
            if kind == "int":
                return _integer(text)
            if kind == "float":
                return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan").replace(".NaN", "nan"))
        except ValueError:
            self.problems.append((node.start_mark.line + 1, path, f"{shown(text)} is no number"))
            return None
        if kind == "bool":
            return text.lower() == "true"
        return None if kind == "null" else text


_TOO_MUCH = f"too much in it: over {_NODES_MAX:,} values, or over {_DEPTH_MAX} levels"


def _integer(text: str) -> int:
    plain = text.replace("_", "")
    sign = -1 if plain.startswith("-") else 1
    digits = plain.lstrip("+-").lower()
    return sign * int(digits, _BASES.get(digits[:2], 10))
