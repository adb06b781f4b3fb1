"""Gives operators that the SQL planner makes stable uids, by which savepoints find them.

The planner numbers its nodes in the order of the plan, so another output or column would give the state of one Kafka
sink to another one, or to none. Here an operator's uid is the role of what it leads to, and its kind. The
operators of the first release keep the numbers that they had then (state_schemas/names.py).
Private API of PyFlink 2.3, used only in this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pyflink.datastream import StreamExecutionEnvironment

from state_schemas.names import FIRST_UIDS

_PLANNED = re.compile(r"\d+_(.+)")  # a uid of the planner: the node's number, and its kind
_SINK = re.compile(r"(.+)\[\d+\]")  # the planner's name of a sink: its table, and the node's number
_END_OF_FILES = "end"  # its name of what stands behind the writer of files, and does nothing


def pin_uids(env: StreamExecutionEnvironment, operator: str, roles: Mapping[str, str], *, files_role: str = "") -> None:
    """Set the uid of every operator that SQL made: the role of what it leads to, and its kind.

    Args:
        env: with the whole job in it.
        operator: the uid of the job's own operator. Operators before it get `input-...`; those that all of its results
            pass, `output-...`.
        roles: of the topics that are written, by name.
        files_role: of the one table of files that is written, if there is one.
    """
    transformations = list(env._j_stream_execution_environment.getTransformations())  # noqa: SLF001
    for sink in transformations:
        if _simple_name(sink) == "SinkTransformation":
            path = list(_upstream(sink, operator))
            shared = [step for step in path if step.getInputs()[0].getUid() == operator]  # by all but side outputs
            _pin("output", shared)
            _pin(_role(sink, roles, files_role), [step for step in path if step not in shared])
    (own,) = (found for found in transformations if found.getUid() == operator)
    _pin("input", [step for before in own.getInputs() for step in _all_upstream(before)])


def _pin(role: str, steps: list[Any]) -> None:
    """Set the uids of a path's steps, from its end; the second of a kind is `kind-2`. Uids of our own stay."""
    seen: dict[str, int] = {}
    for step in steps:
        planned = _PLANNED.fullmatch(step.getUid() or "")
        if planned is None:
            continue
        kind = planned[1]
        seen[kind] = seen.get(kind, 0) + 1
        name = f"{role}-{kind}" if seen[kind] == 1 else f"{role}-{kind}-{seen[kind]}"
        step.setUid(FIRST_UIDS.get(name, name))


def _upstream(step: Any, operator: str) -> Iterator[Any]:
    """Yield a transformation and those before it, nearest first, back to the operator."""
    while step.getUid() != operator:
        yield step
        (step,) = step.getInputs()


def _all_upstream(step: Any) -> Iterator[Any]:
    yield step
    for before in step.getInputs():
        yield from _all_upstream(before)


def _simple_name(step: Any) -> str:
    name: str = step.getClass().getSimpleName()
    return name


def _role(sink: Any, roles: Mapping[str, str], files_role: str) -> str:
    """Return the role of what a sink writes."""
    found = _SINK.fullmatch(sink.getName())
    if found is not None:
        return roles[found[1]]
    if files_role and sink.getName() == _END_OF_FILES:
        return files_role
    message = f"the planner has called a sink {sink.getName()!r}, so what it writes cannot be told"
    raise AssertionError(message)
