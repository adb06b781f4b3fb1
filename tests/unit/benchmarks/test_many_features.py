"""The two hundred features that the core is measured with: v1's, and more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from console.simulator import SimulationSpec, simulate, user_event
from declarations.compile import plan_of, shipped_plan
from driftline.catalogue import FeatureSet
from driftline.state.v1.state_pb2 import ShardState
from jobs.pipeline import processor_of
from jobs.plans import plan_for
from state_schemas.layouts import StoredLayouts
from state_schemas.users import Timelines
from tests.builders import NOW, States, block, fold_block, job_settings
from udfs.reducers.kinds import KINDS

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "many_features"


def vector(plan: Mapping[str, Any]) -> dict[str, str]:
    """The definitions of a plan's vector, by name, in order."""
    return {feature["name"]: feature["hash"] for feature in plan["features"] if feature["vector"]}


def test_there_are_two_hundred_of_every_kind() -> None:
    plan = plan_of(FOLDER)
    assert len(FeatureSet.of_plan(plan).features) == len(vector(plan)) == 200
    assert {reducer["kind"] for reducer in plan["reducers"]} == KINDS.keys()


def test_a_model_of_v1_finds_its_features() -> None:
    many, v1 = vector(plan_of(FOLDER)), vector(shipped_plan())
    assert {name: many.get(name) for name in v1} == v1


def test_what_the_simulator_makes_is_folded() -> None:
    """A feature that stays at its default costs less than it should."""
    settings = job_settings(declarations=FOLDER)
    plan, fold = plan_for(settings), processor_of(settings, {})
    users = Timelines(States(), fold.bounds, 1_000, 2**28, StoredLayouts(plan.layout))
    told = [user_event(event) for event in simulate(SimulationSpec(users=200, events=6_000, seed=2))]
    shard, reached = ShardState(generation=1), set[str]()
    for start in range(0, len(told), 500):
        result = fold_block(fold, block(*told[start : start + 500], offset=start), shard, users, NOW)
        for timeline in result.timelines.values():
            values = plan.vector(timeline.profile())
            reached |= {name for name, value in zip(plan.vector_names, values, strict=True) if value}
    assert shard.accepted == len(told)
    assert set(plan.vector_names) - reached <= {"last_surveys_1", "last_surveys_2"}
