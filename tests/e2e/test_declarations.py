"""A job goes on with more declarations than its savepoint was made with, and is not let on with changed ones."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from declarations.starting import write_project
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event
from driftline.state.v1.state_pb2 import ShardState
from tests.builders import MINUTE, NOW, block, fold_block, message, processor, scores_of, timelines
from tests.e2e.namespace import Counters, Namespace
from tests.e2e.stack import RealStack, eventually
from tests.e2e.test_resubmission import refused
from tests.exported import exported
from udfs.event import ADD_TO_CART, CLICK, PURCHASE, VIEW

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

USERS = tuple(f"shopper-{number}" for number in range(8))
HALF = 10  # events of a user before the savepoint, and as many after it
KINDS = (VIEW, VIEW, ADD_TO_CART, VIEW, PURCHASE, CLICK)
VIEWS, VIEWS_AFTER = (sum(KINDS[at % len(KINDS)] == VIEW for at in range(first, 2 * HALF)) for first in (0, HALF))
MORE = """\
features:
  views_7d: {count: VIEW, window: 7d}
  view_share: {ratio: [session_views, session_events]}
segments:
  browsers: {when: views_7d >= 2}
"""
KEPT = ("scores", "affinities", "session", "asOfEventTimeMs", "acceptedEvents")


def events(first: int) -> list[UserEvent]:
    """Half of what the shoppers do, three minutes between the events of each, so that sessions go on."""
    return [
        message(
            user,
            at * 3 * MINUTE + number,
            type=KINDS[at % len(KINDS)],
            category=("hats", "shoes")[(at + number) % 2],
            value=9.5 * (KINDS[at % len(KINDS)] == PURCHASE),
        )
        for at in range(first, first + HALF)
        for number, user in enumerate(USERS)
    ]


def undisturbed() -> dict[str, Any]:
    """The scores of all events by v1 alone, by user, as `driftline export-scores` has them."""
    every = block(*events(0), *events(HALF))
    result = fold_block(processor(), every, ShardState(generation=1), timelines(), NOW)
    return {user: kept(json.loads(exported(scores))) for user, scores in scores_of(result).items()}


def kept(line: dict[str, Any]) -> dict[str, Any]:
    """What must not change with more declarations."""
    return {name: line.get(name) for name in KEPT}


def publish(namespace: Namespace, file: Path, first: int) -> None:
    file.write_text("".join(format_event(each) + "\n" for each in events(first)))
    namespace.publish(file)


@pytest.fixture
def shop(stack: RealStack, tmp_path: Path) -> Namespace:
    """A namespace of its own, which no model scores."""
    models = tmp_path / "no-models"
    models.mkdir()
    return Namespace(stack, "declared", {"models_dir": models})


def features_of(namespace: Namespace, user: str) -> dict[str, dict[str, Any]]:
    """What ExplainScores says of a user, by feature."""
    named = ("--json", "--namespace", namespace.name)
    explained = json.loads(namespace.stack.driftline("scores", "--explain", *named, user))
    return {feature["name"]: feature for feature in explained["features"]}


def test_features_and_a_segment_are_added_over_a_savepoint_and_no_meaning_changes(
    shop: Namespace, tmp_path: Path
) -> None:
    shop.submit()
    publish(shop, tmp_path / "before.jsonl", 0)
    shop.drain()
    savepoint = shop.stop()

    project = tmp_path / "personalization"
    write_project(project, "retail")
    more = project / "more.yaml"
    more.write_text(MORE)
    began_ms = int(time.time() * 1_000)
    shop.submit(savepoint=savepoint, declarations=project, adopt="feature_set")
    publish(shop, tmp_path / "after.jsonl", HALF)
    number = 2 * HALF * len(USERS)
    assert shop.drain() == Counters(number, number, number, 0, 0, 0)
    scores = shop.scores()
    assert {user: kept(line) for user, line in scores.items()} == undisturbed()
    assert {line["featureSet"] for line in scores.values()} == {"shop"}
    assert {tuple(each["name"] for each in line["segments"]) for line in scores.values()} == {("browsers",)}

    found = eventually(lambda: features_of(shop, USERS[0]), lambda seen: "views_7d" in seen, "the project is served")
    # What still waited in the tail for a slower partition counts, too.
    assert VIEWS_AFTER <= found["views_7d"]["value"] <= VIEWS
    assert began_ms <= int(found["views_7d"]["completeSinceMs"]) <= int(time.time() * 1_000)
    others = {name: feature.get("completeSinceMs") for name, feature in found.items() if name != "views_7d"}
    assert set(others.values()) == {None}
    assert {"session_views", "view_share", "activity_30d"} <= others.keys()

    savepoint = shop.stop()
    more.write_text(MORE.replace("window: 7d", "window: 14d"))
    again = ("--from-savepoint", savepoint, "--set", f"declarations={project}")
    line = refused(shop, *again)
    assert "the definition of views_7d is not that of the restored state: give a changed feature a new name" in line
    assert shop.scores() == scores
