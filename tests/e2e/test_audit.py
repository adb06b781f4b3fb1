"""`driftline audit` over a running job: it finds nothing, also under traffic, until something is altered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftline.jsonlines import format_event
from driftline.serving.v1.scores_pb2 import UserScores
from sink_connectors.score_value import encode_value
from tests.builders import DAY, HOUR, message
from tests.e2e import records
from tests.e2e.conftest import History
from tests.e2e.namespace import Feed, Namespace
from tests.e2e.stack import RealStack
from tests.lakes import TopicRecord, write_lake

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def audit(run: Namespace, *options: str, exit_code: int = 0) -> dict[str, object]:
    chosen = () if "--user" in options else ("--share", "1.0")
    printed = run.stack.driftline(
        "audit", "--json", *chosen, *run.arguments, *options, env=run.env, exit_code=exit_code
    )
    document: dict[str, object] = json.loads(printed)
    return document


def test_what_is_served_is_what_the_records_give(
    stack: RealStack, history: History, model_version: str, tmp_path: Path
) -> None:
    run = Namespace(stack, "audited")
    run.submit()
    run.publish(history.shuffled)
    odd = [
        message("audited-late", 3 * DAY),
        message("audited-late", 3 * DAY + HOUR),
        message("audited-late", HOUR, type="PURCHASE", value=5.0),  # late
        message("audited-late", 3 * DAY),  # a repeat
        message("audited-gone", DAY),
        message("audited-gone", 2 * DAY, type="FORGET"),
    ]
    file = tmp_path / "odd.jsonl"
    file.write_text("".join(f"{format_event(event)}\n" for event in odd))
    run.publish(file)
    counters = run.drain()
    assert counters.late == 1
    found = audit(run)
    users = len(run.scores())
    assert (found["differing"], found["behind"], found["moving"]) == (0, 0, 0)
    assert (found["compared"], found["forgotten"]) == (users + 1, 1)

    run.stack.driftline("heal", *run.arguments, env=run.env)
    assert run.drain().accepted == counters.accepted + 1
    healed = audit(run, "--user", "audited-late")
    assert (healed["compared"], healed["differing"]) == (1, 0)

    lines = [line.replace('"userId":"', '"userId":"moving-') for line in history.lines[:8_000]]
    with Feed(run, lines) as feed:
        feed.send(1_000)
        command = stack.begin("audit", "--json", "--share", "1.0", *run.arguments, env=run.env)
        feed.trickle(lambda: command.poll() is not None, "an audit under traffic", len(lines))
        under_traffic = json.loads(stack.end(command))
    assert (under_traffic["differing"], under_traffic["behind"]) == (0, 0)
    assert under_traffic["compared"] >= users
    run.drain()

    there = records.read(stack.settings, run.topic("events"))
    rows = [TopicRecord(one.partition, one.offset, one.timestamp, one.key, one.value) for one in there]
    lake = write_lake(tmp_path / "lake", rows[: len(rows) // 2], topic=run.topic("events"))
    in_lake = audit(run, "--set", f"lake_url={lake}")  # which lags behind the topic
    assert (in_lake["differing"], in_lake["behind"], in_lake["moving"]) == (0, 0, 0)

    store = run.store()
    victim = "audited-late"
    (stored,) = store.read([victim])
    assert stored is not None
    altered = UserScores(scores={"engagement": 0.123456})
    altered.as_of_event.scores["engagement"] = 0.123456
    newer = encode_value(stored.generation, stored.accepted_events, stored.scores + altered.SerializeToString())
    store._client.set(f"driftline:{run.name}:{{{victim}}}", newer)
    store.close()
    caught = audit(run, exit_code=1)
    assert caught["differing"] == 1
    assert victim in json.dumps(caught["comparison"])
    run.stop()
