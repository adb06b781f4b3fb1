"""What was done to the models of a score: which was live when, and which is retired. Pure.

A change is a small file beside the models, which is written once; `current` alone says which model is live. It is
written before the change takes effect: one that was cut short has left a record, and did nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Action(StrEnum):
    """What was done."""

    TRAIN = "train"  # trained, and made live at once
    ADD = "add"  # brought from elsewhere, and made live at once
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RETIRE = "retire"


class Stage(StrEnum):
    """What a version is to a score."""

    CANDIDATE = "candidate"  # may become live; also one that was live before
    LIVE = "live"
    RETIRED = "retired"  # is not to become live again; kept, because scores name it


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change.

    Attributes:
        at_ms: wall-clock time.
        action: what was done.
        version: to which model.
        before: which was live then; empty: none was.
        note: why, for people.
    """

    at_ms: int
    action: Action
    version: str
    before: str = ""
    note: str = ""

    def as_json(self) -> bytes:
        """Return it as a line of JSON."""
        return (json.dumps(asdict(self)) + "\n").encode()

    @classmethod
    def parse(cls, content: bytes) -> Change:
        """Read a change. Raises ValueError where it is none."""
        try:
            document = json.loads(content)
            return cls(
                at_ms=int(document["at_ms"]),
                action=Action(document["action"]),
                version=str(document["version"]),
                before=str(document.get("before", "")),
                note=str(document.get("note", "")),
            )
        except (KeyError, TypeError, AttributeError) as error:
            message = f"no change: {error!r}"
            raise ValueError(message) from None


def retired_of(changes: Sequence[Change]) -> set[str]:
    """Return the versions that are retired: none that was made live since."""
    retired: set[str] = set()
    for change in changes:
        if change.action is Action.RETIRE:
            retired.add(change.version)
        else:
            retired.discard(change.version)
    return retired


def lived(changes: Sequence[Change], live: str) -> list[str]:
    """Return which versions a rollback goes back through, the newest last; `live` itself is not among them.

    A rollback takes the version that it leaves off the list: a second one goes further back, and not to what was left.

    Args:
        changes: all, the oldest first.
        live: the version that is live; somebody may have written it by hand.
    """
    stack: list[str] = []
    for change in changes:
        if change.action is Action.RETIRE:
            continue
        if change.before and (not stack or stack[-1] != change.before):
            stack.append(change.before)  # written by hand, or before there were changes
        if change.action is Action.ROLLBACK and change.version in stack:
            while stack[-1] != change.version:
                stack.pop()
        elif not stack or stack[-1] != change.version:
            stack.append(change.version)
    while live in stack:  # what came behind it did not take effect, or was undone by hand
        if stack.pop() == live:
            break
    return [version for version in stack if version != live]
