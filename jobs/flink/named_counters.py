"""Flink counters by name, with the name as a label for Prometheus."""

from __future__ import annotations

from typing import Any

from driftline.metrics import JobNamed, NamedCounter
from driftline.words import REST, shown

OTHERS = "(others)"  # the label of all names beyond the bound
_LABEL_CHARS_MAX = 128


class NamedCounters:
    """The counters of one metric in one task. Flink keeps a counter until the task ends, so their number is bounded.

    Args:
        group: Flink's metric group of the operator.
        metric: what is counted.
        names_max: how many names get a counter of their own.
    """

    def __init__(self, group: Any, metric: NamedCounter, names_max: int) -> None:
        self._group = group
        self._metric = metric
        self._names_max = names_max
        self._counters: dict[str, Any] = {}
        self._others: Any = None

    def add(self, name: str, number: int) -> None:
        """Add a number to a name's counter."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._new(name)
        counter.inc(number)

    def _new(self, name: str) -> Any:
        if name != REST and len(self._counters) < self._names_max:
            counter = self._counters[name] = self._labelled(shown(name, _LABEL_CHARS_MAX))
            return counter
        if self._others is None:
            self._others = self._labelled(OTHERS)
        return self._others

    def _labelled(self, label: str) -> Any:
        return self._group.add_group(self._metric.label, label).counter(self._metric.name)


def named_counters(group: Any, hot_users_max: int) -> dict[JobNamed, NamedCounters]:
    """Return the named counters of a task; `hot_users_max` is the bound of HOT_USERS, from the settings."""
    bounds = {metric: metric.value.names_max for metric in JobNamed} | {JobNamed.HOT_USERS: hot_users_max}
    return {metric: NamedCounters(group, metric.value, names_max) for metric, names_max in bounds.items()}
