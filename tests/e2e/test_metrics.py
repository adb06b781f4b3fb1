"""What the alert rules ask a running job for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.namespace import Namespace
from tests.e2e.stack import RealStack, eventually
from tests.unit.test_alerts import RULES, metrics

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

OF_JOB, OF_OPERATOR = "flink_jobmanager_job_", "flink_taskmanager_job_task_operator_"


def test_a_running_job_has_every_metric_that_the_rules_name(stack: RealStack, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    stack.driftline("simulate", "--users", "10", "--events", "50", "--seed", "5", "--out", str(events))
    metered = Namespace(stack, "metered")
    job_id = metered.submit()
    metered.publish(events)  # the source tells of what is pending from the first record on
    named = set().union(*(metrics(rule["expr"]) for rule in RULES))
    vertices = [vertex["id"] for vertex in stack.rest(f"/jobs/{job_id}")["vertices"]]

    def missing() -> set[str]:
        of_job = {f"{OF_JOB}{one['id']}" for one in stack.rest(f"/jobs/{job_id}/metrics")}
        ids = [one["id"] for v in vertices for one in stack.rest(f"/jobs/{job_id}/vertices/{v}/metrics")]
        of_operators = [f".{id_}".replace(".", "_") for id_ in ids]
        asked = {name for name in named if name.startswith(OF_OPERATOR)}
        return {name for name in named - of_job if name.startswith(OF_JOB)} | {
            name
            for name in asked
            if not any(found.endswith(f"_{name.removeprefix(OF_OPERATOR)}") for found in of_operators)
        }

    eventually(missing, lambda names: not names, "the metrics of the rules are there")
