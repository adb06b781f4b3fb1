"""Gives the operators that SQL makes the uids by which savepoints find them.

The planner numbers its nodes in the order of the plan, so one output more, or a column, would give the state of one
Kafka sink to another, or to none. Here an operator is called by what it is for: the topic that it leads to, and its
kind. The operators of the first release keep the numbers that they had then (state_schemas/names.py).
Private API of PyFlink 2.3, kept to this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pyflink.datastream import StreamExecutionEnvironment

from state_schemas.names import FIRST_UIDS

_PLANNED = re.compile(r"\d+_(.+)")  # a uid of the planner: the node's number, and its kind
_SINK = re.compile(r"(.+)\[\d+\]")  # the name of a sink of the planner: its table, and the node's number


def pin_uids(env: StreamExecutionEnvironment, operator: str, roles: Mapping[str, str]) -> None:
    """Call every operator that SQL made by the role of what it leads to, and by its kind.

    Args:
        env: with the whole job in it.
        operator: the uid of the job's own operator: what leads to it is `input-...`, what its results pass first
            `output-...`.
        roles: of the topics that are written, by name.
    """
    transformations = list(env._j_stream_execution_environment.getTransformations())  # noqa: SLF001
    for sink in transformations:
        if _simple_name(sink) == "SinkTransformation":
            way = list(_upstream(sink, operator))
            shared = [step for step in way if step.getInputs()[0].getUid() == operator]  # by all that is no side output
            _pin("output", shared)
            _pin(roles[_table(sink)], [step for step in way if step not in shared])
    (own,) = (found for found in transformations if found.getUid() == operator)
    _pin("input", [step for before in own.getInputs() for step in _all_upstream(before)])


def _pin(role: str, steps: list[Any]) -> None:
    """Name the steps of one way, from its end; of one kind the second is `kind-2`. What has a name keeps it."""
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
    """Yield a transformation and what leads to it, nearest first, up to the operator."""
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
