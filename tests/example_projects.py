"""The projects of examples/, their histories, and what the core makes of them without a stack."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from driftline.catalogue import FeatureSet
from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.segment_pb2 import SegmentChange
from driftline.mapping.spec import Mapping
from driftline.model_scores import model_scores_of
from driftline.onnx_model import OnnxModel
from driftline.score_message import split_features
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.state.v1.state_pb2 import ShardState
from driftline.topics import SEGMENTS
from examples import bank, generating, media, segment
from examples.bank import generate as of_bank
from examples.media import generate as of_media
from examples.segment import generate as of_segment
from history.reading import EventReader
from jobs.bundle import Bound
from jobs.pipeline import processor_of
from jobs.plans import compile_plan
from jobs.settings import ScoreEventsSettings
from state_schemas.layouts import StoredLayouts
from state_schemas.users import Timelines
from tests.builders import NOW, States, block, fold_block, job_settings
from udfs.plan.plan import Plan

ROOT = Path(__file__).resolve().parents[1]
BLOCK_EVENTS = 500


@dataclass(frozen=True)
class Example:
    """A project of examples/, with as much history as its models need."""

    name: str
    folder: Path
    life: generating.Life
    users: int
    days: int
    mapping: Path | None = None

    def write_history(self, file: Path) -> Path:
        """Write the history to a file."""
        lines = generating.history(self.life, self.name, self.users, self.days, seed=3)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def settings(self) -> ScoreEventsSettings:
        return job_settings(declarations=self.folder)

    def plan(self) -> Plan:
        """A plan of one's own."""
        settings = self.settings()
        return Plan(json.loads(compile_plan(settings)), settings.categories_max)

    def reader(self, file: Path) -> EventReader:
        mapped = None if self.mapping is None else Mapping.load(self.mapping)
        declared = [event["custom"] for event in self.plan().data["events"] if event["custom"]]
        return EventReader([file], mapping=mapped, declared=declared)

    @property
    def mapped(self) -> tuple[str, ...]:
        """What commands are told of the mapping."""
        return () if self.mapping is None else ("--mapping", str(self.mapping))


def _example(package: Any, life: generating.Life, users: int, days: int, mapping: Path | None = None) -> Example:
    folder = Path(package.__file__).parent
    return Example(folder.name, folder / "personalization", life, users, days, mapping)


MEDIA = _example(media, of_media.life, 120, 45)
BANK = _example(bank, of_bank.life, 200, 150)
SEGMENT = _example(segment, of_segment.life, 150, 60, ROOT / "docs" / "mappings" / "segment.toml")
EXAMPLES = (MEDIA, BANK, SEGMENT)


@dataclass
class Outcome:
    """What the core makes of a history.

    Attributes:
        scores: the newest message of each user, without what differs between runs, as `export-scores` prints it.
        vectors: what models saw of each user.
        changes: those of segments, in their order.
    """

    scores: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    vectors: dict[str, tuple[float, ...]] = field(default_factory=dict, repr=False)
    changes: list[SegmentChange] = field(default_factory=list, repr=False)


def folded(
    example: Example, messages: Sequence[UserEvent], models_dir: Path | None = None, block_events: int = BLOCK_EVENTS
) -> Outcome:
    """Fold messages in blocks, with the current models of a folder."""
    plan = example.plan()
    models = {} if models_dir is None else current_models(plan, models_dir)
    fold, shard = processor_of(example.settings(), models, Bound(plan)), ShardState(generation=1)
    users = Timelines(States(), fold.bounds, 10_000, 2**28, StoredLayouts(plan.layout))
    outcome = Outcome()
    for start in range(0, len(messages), block_events):
        records = block(*messages[start : start + block_events], offset=start)
        result = fold_block(fold, records, shard, users, NOW)
        assert result.taken == len(records)
        assert not result.late and not result.dead_letters
        for scored in result.scored:
            _take(outcome, scored.user_id, scored.scores or b"")
        outcome.changes += [
            SegmentChange.FromString(value or b"") for _, value in result.outputs.get(SEGMENTS.role, [])
        ]
    return outcome


def _take(outcome: Outcome, user_id: str, stored: bytes) -> None:
    vector, scores = split_features(stored)
    message = UserScores.FromString(scores)
    for name in ("written_at_ms", "generation", "lists_digest"):
        message.ClearField(name)
    outcome.scores[user_id] = MessageToDict(message)
    outcome.vectors[user_id] = struct.unpack(f"<{len(vector) // 4}f", vector)


def current_models(plan: Plan, models_dir: Path) -> dict[str, Callable[[], OnnxModel]]:
    """The current models of a plan's scores."""
    found: dict[str, Callable[[], OnnxModel]] = {}
    for score in model_scores_of(plan.data):
        folder = score.models(models_dir)
        model = folder.load(folder.current_version(), FeatureSet.of_plan(plan.data), score=score.name, task=score.task)
        found[score.name] = lambda model=model: model  # type: ignore[misc]
    return found


def on_models(plan: Plan) -> set[str]:
    """The names of segments over models: since when depends on when the user was scored."""
    return {one.name for one in plan.segments if one.on_models}


def memberships(scores: dict[str, Any], leave_since_of: Iterable[str]) -> dict[str, int]:
    """The segments of a user's exported scores, and since when; 0 of those that are not to be compared."""
    unknown = set(leave_since_of)
    return {one["name"]: 0 if one["name"] in unknown else int(one["sinceMs"]) for one in scores.get("segments", ())}


def last_changes(changes: Iterable[SegmentChange]) -> dict[tuple[str, str], SegmentChange]:
    """The change that holds, by user and segment."""
    newest: dict[tuple[str, str], SegmentChange] = {}
    for change in sorted(changes, key=lambda one: (one.generation, one.accepted_events)):
        newest[change.user_id, change.segment] = change
    return newest
