"""Each example with its history, read once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from driftline.event.v1.event_pb2 import UserEvent
from tests.example_projects import EXAMPLES, Example


@dataclass(frozen=True)
class Told:
    """An example, the file of its history, and the events in it."""

    example: Example
    file: Path
    messages: list[UserEvent]


@pytest.fixture(scope="package", params=EXAMPLES, ids=lambda example: example.name)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    example: Example = request.param
    file = example.write_history(tmp_path_factory.mktemp("history") / f"{example.name}.jsonl")
    reader = example.reader(file)
    messages = [message for message, _ in reader]
    assert not reader.bad and not reader.unknown_types.counts
    return Told(example, file, messages)
