"""What the alert rules ask a running job for."""

from __future__ import annotations

import pytest

from tests.e2e.namespace import Namespace
from tests.e2e.stack import RealStack
from tests.unit.test_alerts import RULES, metrics

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

OF_JOB, OF_OPERATOR = "flink_jobmanager_job_", "flink_taskmanager_job_task_operator_"


def test_a_running_job_has_every_metric_that_the_rules_name(stack: RealStack) -> None:
    job_id = Namespace(stack, "metered").submit()
    of_job = {one["id"] for one in stack.rest(f"/jobs/{job_id}/metrics")}
    vertices = [vertex["id"] for vertex in stack.rest(f"/jobs/{job_id}")["vertices"]]
    of_operators = {
        one["id"].replace(".", "_") for id_ in vertices for one in stack.rest(f"/jobs/{job_id}/vertices/{id_}/metrics")
    }
    named = set().union(*(metrics(rule["expr"]) for rule in RULES))
    assert {name for name in named if name.startswith(OF_JOB)} <= {OF_JOB + name for name in of_job}
    asked = {name.removeprefix(OF_OPERATOR) for name in named if name.startswith(OF_OPERATOR)}
    assert {name for name in asked if not any(found.endswith(f"_{name}") for found in of_operators)} == set()
