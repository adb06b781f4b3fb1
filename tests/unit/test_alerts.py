"""Every metric that an alert rule asks for is one that somebody makes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from driftline.metrics import JobGauge, JobMetric, ServingMetric

ROOT = Path(__file__).resolve().parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in YAML(typ="safe", pure=True).load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
OURS_OF_FLINK = "flink_taskmanager_job_task_operator_driftline_"
# Of Flink itself (tests/e2e/test_metrics.py asks a running job for them) and Prometheus.
OF_OTHERS = {
    "flink_jobmanager_job_numRestarts",
    "flink_jobmanager_job_numberOfCompletedCheckpoints",
    "flink_jobmanager_job_numberOfFailedCheckpoints",
    "flink_taskmanager_job_task_operator_pendingRecords",
    "up",
}


def metrics(expression: str) -> set[str]:
    """The names in an expression that are followed by a selector, a range, or nothing that makes them a function."""
    bare = re.sub(r'"[^"]*"', "", re.sub(r"\{[^}]*\}|\[[^]]*\]", "", expression))
    bare = re.sub(r"\bby \([^)]*\)", "", bare)
    return set(re.findall(r"\b[a-z][A-Za-z_]*\b(?!\s*\()", bare)) - {"and", "or", "unless", "by"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_rule_asks_for_what_exists_and_says_what_to_do(rule: dict[str, Any]) -> None:
    job = {f"{OURS_OF_FLINK}{metric.value}" for metric in (*JobMetric, *JobGauge)}
    served = {metric.value.name for metric in ServingMetric}
    asked = metrics(rule["expr"])
    assert asked
    assert asked <= job | served | OF_OTHERS
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "next"}


def test_rules_have_names_of_their_own() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_what_the_runbook_is_asked_for_is_in_it() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    for rule in RULES:
        if rule["annotations"]["next"].startswith("runbook"):
            (title,) = re.findall(r'runbook, "([^"]+)"', rule["annotations"]["next"])
            assert f"## {title}\n" in runbook or f"**{title}.**" in runbook, rule["alert"]
