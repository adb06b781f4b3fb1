"""Gives operators that the SQL planner makes stable uids, by which savepoints find them.

The planner numbers its nodes in the order of the plan, so another output or column would give the state of one Kafka
sink to another one, or to none. Here an operator's uid is the role of the topic that it leads to, and its kind. The
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


def pin_uids(env: StreamExecutionEnvironment, operator: str, roles: Mapping[str, str]) -> None:
    """Set the uid of every operator that SQL made: the role of the topic that it leads to, and its kind.

    Args:
        env: with the whole job in it.
        operator: the uid of the job's own operator. Operators before it get `input-...`; those that all of its results
            pass, `output-...`.
        roles: of the topics that are written, by name.
    """
    transformations = list(env._j_stream_execution_environment.getTransformations())  # noqa: SLF001
    for sink in transformations:
        if _simple_name(sink) == "SinkTransformation":
            path = list(_upstream(sink, operator))
            shared = [step for step in path if step.getInputs()[0].getUid() == operator]  # by all but side outputs
            _pin("output", shared)
            _pin(roles[_table(sink)], [step for step in path if step not in shared])
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


def _table(sink: Any) -> str:
    found = _SINK.fullmatch(sink.getName())
    if found is None:
        message = f"the planner has called a sink {sink.getName()!r}, so its topic cannot be told"
        raise AssertionError(message)
    return found[1]
