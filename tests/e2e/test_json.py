"""A topic of JSON gives the scores that a topic of protobuf gives."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import EVENTS, History, Reference
from tests.e2e.namespace import Counters, Namespace, assert_same_scores
from tests.e2e.stack import RealStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def test_json_events_give_the_scores_of_protobuf_events(
    stack: RealStack, history: History, reference: Reference
) -> None:
    as_json = Namespace(stack, "json", {"events_format": "json"}, events_format="json")
    as_json.publish(history.in_order)
    as_json.submit()
    assert as_json.drain() == Counters(EVENTS, EVENTS, EVENTS, 0, 0, 0)
    assert_same_scores(as_json.export(), reference.export)
