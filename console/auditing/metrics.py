"""What an audit has found, as a file of metrics that a node exporter's textfile collector reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from console.auditing.audit import Audited
from console.comparing import Spread
from driftline.errors import InputError
from driftline.metrics import AuditMetric


def metrics_text(found: Audited, namespace: str, *, ended_s: float, took_s: float) -> str:
    """Return the metrics in Prometheus's text format.

    Args:
        found: by the audit.
        namespace: whose values were compared.
        ended_s: when, in seconds since the epoch.
        took_s: how long it took.
    """
    values: dict[AuditMetric, list[tuple[Mapping[str, str], float]]] = {
        AuditMetric.SHARE: [({}, found.share)],
        AuditMetric.COMPARED: [({}, found.compared)],
        AuditMetric.NOT_COMPARED: [
            ({"reason": reason}, getattr(found, reason)) for reason in ("expired", "moving", "behind")
        ],
        AuditMetric.SCORES: [({"score": name}, users) for name, users in _differing(found.found.scores)],
        AuditMetric.FEATURES: [({"feature": name}, users) for name, users in _differing(found.found.features)],
        AuditMetric.RAN_AT: [({}, ended_s)],
        AuditMetric.DURATION: [({}, took_s)],
    }
    lines: list[str] = []
    for metric in AuditMetric:
        lines.append(f"# HELP {metric.value.name} {metric.value.help}")
        lines.append(f"# TYPE {metric.value.name} {metric.value.kind}")
        for labels, value in values[metric]:
            named = {"namespace": namespace, **labels}
            shown = ",".join(f'{label}="{_escaped(named[label])}"' for label in metric.value.labels)
            lines.append(f"{metric.value.name}{{{shown}}} {value:.15g}")
    return "\n".join(lines) + "\n"


def write_metrics(file: Path, text: str) -> None:
    """Replace a file at once: whoever reads it meanwhile gets the one before. Raises InputError where it cannot be."""
    made = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        made.write_text(text, encoding="utf-8")
        made.replace(file)
    except OSError as error:
        message = f"--metrics-file {file} cannot be written: {error.strerror}"
        raise InputError(message) from None


def _differing(spreads: Mapping[str, Spread]) -> Iterator[tuple[str, int]]:
    for name, spread in sorted(spreads.items()):
        yield name, spread.differ + spread.only_first + spread.only_second


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
