"""Events as exports have them give, through the real stack, the scores of the same events in the contract's words."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.e2e.namespace import Counters, Namespace
from tests.e2e.stack import RealStack
from tests.exports import AS_EXPORTED, IN_CONTRACT, of_user

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.mark.parametrize("events_format", ["json", "protobuf"])
def test_words_shapes_and_money_give_the_scores_of_the_contract_s_own(
    stack: RealStack, tmp_path: Path, events_format: str
) -> None:
    name = f"files-{events_format}"
    shop = Namespace(stack, name, {"events_format": events_format}, events_format=events_format)
    (tmp_path / "export").write_bytes(gzip.compress(json.dumps(of_user(41, AS_EXPORTED)).encode()))
    lines = "\r\n".join(map(json.dumps, of_user("42", IN_CONTRACT)))
    (tmp_path / "lines").write_bytes(b"\xef\xbb\xbf" + lines.encode() + b"\r\n\r\n")
    shop.publish(tmp_path / "export")
    shop.publish(tmp_path / "lines")
    shop.submit()
    assert shop.drain() == Counters(10, 10, 10, 0, 0, 0)
    scores = shop.scores()
    assert json.dumps(scores["41"]).replace('"41', '"42') == json.dumps(scores["42"])
    assert int(scores["41"]["session"]["purchases"]) == 2
    assert scores["41"]["acceptedEvents"] in (5, "5")
