"""What the alert rules ask a running job for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builders import T0
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


def test_prometheus_is_told_names_as_they_are(stack: RealStack, tmp_path: Path) -> None:
    user, word = 'visitor-"7" (shop)', "begin checkout"
    events = tmp_path / "events.jsonl"
    lines = [{"eventId": f"e{n}", "userId": user, "type": word, "eventTimeMs": T0 + n} for n in range(5)]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    named = Namespace(stack, "named", {"tail_events_max": 2})
    named.submit()
    named.publish(events)
    wanted = {
        "flink_jobmanager_job_numRestarts": ['job_name="score-events named"'],
        "flink_taskmanager_job_task_operator_driftline_event_type_unknown_types": [f'event_type="{word}"', " 5.0"],
        "flink_taskmanager_job_task_operator_driftline_user_id_hot_users": [
            'user_id="visitor-\\"7\\" (shop)"',
            'job_name="score-events named"',
            " 3.0",
        ],
    }

    def missing() -> list[str]:
        lines = stack.prometheus().splitlines()
        return [
            name
            for name, parts in wanted.items()
            if not any(line.startswith(name) and all(part in line for part in parts) for line in lines)
        ]

    eventually(missing, lambda names: not names, "Prometheus finds the names")
