"""What a job is continued with: a savepoint of an earlier release, other settings, and a job that began by mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driftline.jsonlines import format_event
from sink_connectors.score_value import StoredScores
from tests.builders import MINUTE, T0, message
from tests.e2e.namespace import LIVE, Counters, Namespace
from tests.e2e.stack import COMMAND_S_MAX, RealStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(500)]

FOLDER = Path(__file__).resolve().parents[1] / "golden"
GOLDEN = FOLDER / "savepoint_v1"  # of the first release that anybody has
BEFORE_THE_FLOORS = (
    FOLDER / "savepoint_v2"
)  # with pages of due users, clocks of partitions, what the state was made with
MADE_WITH: dict[str, object] = {"disorder_ms": MINUTE}  # the default of the releases that made them
USER = "golden-0"
LATER_MS = 200 * 3_600_000  # after all of the golden events


@pytest.fixture(scope="module")
def golden(stack: RealStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """The namespace of the golden savepoint, whose topic holds what had been published then; no model scores it."""
    made = Namespace(stack, "golden", MADE_WITH | {"models_dir": tmp_path_factory.mktemp("no-models")})
    made.publish(GOLDEN / "before.jsonl")
    yield made
    stack.driftline("promote", "--force", LIVE)


def refused(golden: Namespace, *arguments: str) -> str:
    """Submit the golden job with these arguments, and return the one line that it is refused with."""
    own = [part for name, value in golden.given.items() for part in ("--set", f"{name}={value}")]
    command = golden.stack.begin("submit", "score-events", *own, *arguments)
    out, err = command.communicate(timeout=COMMAND_S_MAX)
    assert command.returncode == 1, (out, err)
    (line,) = [line for line in err.splitlines() if line.startswith("driftline: ")]
    return line


def publish_one(golden: Namespace, folder: Path, number: int) -> None:
    """One more event of the user, a while after the others."""
    file = folder / f"{number}.jsonl"
    file.write_text(format_event(message(USER, LATER_MS + number * 1_000, event_id=f"later-{number}")) + "\n")
    golden.publish(file)


def stored(golden: Namespace) -> StoredScores:
    store = golden.store()
    (found,) = store.read([USER])
    store.close()
    assert found is not None
    return found


def comparable(line: dict[str, Any]) -> dict[str, Any]:
    """Scores as they may be compared over releases: since then they have twelve decimals, and name a declaration."""
    twelve = 10**12
    line = {name: value for name, value in line.items() if name != "declaration"}
    rounded: dict[str, Any] = json.loads(json.dumps(line), parse_float=lambda digits: int(float(digits) * twelve + 0.5))
    return rounded


def goes_on_as_it_would_have(restored: Namespace, folder: Path) -> None:
    """Restore a golden savepoint over the events of before it, publish those of after it, and compare."""
    restored.submit(savepoint=(folder / "savepoint").as_uri())
    restored.publish(folder / "after.jsonl")
    expected = json.loads((folder / "counters.json").read_text())["after"]
    assert restored.drain() == Counters(**expected)
    # Redis is empty here, so it gets to know those users alone who had events since, or have reached an age.
    active = {json.loads(line)["userId"] for line in (folder / "after.jsonl").read_text().splitlines()}
    lines = map(json.loads, (folder / "after.scores.jsonl").read_text().splitlines())
    would_have = {line["userId"]: comparable(line) for line in lines}
    found = {user: comparable(line) for user, line in restored.scores().items()}
    assert active & would_have.keys() <= found.keys() <= would_have.keys()
    assert found == {user: would_have[user] for user in found}


def test_a_savepoint_from_before_the_floors_goes_on_as_it_would_have(stack: RealStack, tmp_path: Path) -> None:
    restored = Namespace(stack, "golden-2", MADE_WITH | {"models_dir": tmp_path})
    restored.publish(BEFORE_THE_FLOORS / "before.jsonl")
    goes_on_as_it_would_have(restored, BEFORE_THE_FLOORS)
    restored.stop()


def test_a_savepoint_of_the_first_release_goes_on_as_it_would_have(golden: Namespace) -> None:
    goes_on_as_it_would_have(golden, GOLDEN)


def test_a_restored_job_is_held_to_its_state_and_can_take_its_namespace_back(golden: Namespace, tmp_path: Path) -> None:
    stack = golden.stack
    savepoint = golden.stop()
    before = stored(golden)
    line = refused(golden)
    assert "--from-nothing" in line
    assert savepoint.removeprefix("file:").lstrip("/") in line

    line = refused(golden, "--from-savepoint", "latest", "--set", "shards=16")
    assert line.endswith("the restored state was made with shards=8; submit with --set shards=8")
    line = refused(golden, "--from-savepoint", savepoint, "--set", "disorder_ms=30000")
    assert "--set disorder_ms=60000, or with --set adopt=disorder_ms" in line
    assert stored(golden) == before

    # By mistake, and through the door that a cluster of its own has.
    own = [part for name, value in golden.given.items() for part in ("--set", f"{name}={value}")]
    foreign = {"DRIFTLINE_FLINK_REST": stack.settings.flink_address}
    golden.job_id = stack.submit(*own, "--from-nothing", env=foreign)
    golden.drain()
    stray = stored(golden)
    assert stray.generation > before.generation
    golden.stop()

    line = refused(golden, "--from-savepoint", savepoint)
    assert f"generation ({stray.generation})" in line
    assert "--new-generation" in line
    own += ["--from-savepoint", savepoint, "--new-generation"]
    golden.job_id = stack.submit(*own)
    publish_one(golden, tmp_path, 1)
    golden.drain()
    again = stored(golden)
    assert (again.generation > stray.generation, again.accepted_events) == (True, before.accepted_events + 1)

    stack.driftline("promote", "a-typo", exit_code=1)
    stack.driftline("promote", "golden")
    (shown,) = map(json.loads, stack.driftline("scores", "--json", USER).splitlines())
    assert int(shown["acceptedEvents"]) == again.accepted_events
    assert int(shown["asOfEventTimeMs"]) == T0 + LATER_MS + 1_000
