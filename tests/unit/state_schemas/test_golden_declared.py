"""The golden state of a project is read by its own plan and by others, whatever becomes of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftline.state.v1.state_pb2 import ShardState, UserState
from jobs.pipeline import bounds_of
from state_schemas import codec
from state_schemas.layouts import StoredLayouts
from state_schemas.user_state import decode_user
from tests.builders import job_settings
from tests.timelines import committed_of
from tests.unit.state_schemas import declared_golden
from tests.unit.state_schemas.test_golden import GOLDEN
from tests.v1 import plan as v1_plan
from udfs.event import CUSTOM, PURCHASE, VIEW
from udfs.plan.layout import Layout
from udfs.profile import Profile

USER, SHARD = (GOLDEN / f"{name}_state_v1_declared.bin" for name in ("user", "shard"))
CHUNKS = GOLDEN / "user_state_chunks_declared.bin"
OF_V1 = {"values"}  # the field that states of v1 alone have
OF_CHUNKS = {"tail", "present", "numbers"}  # those that have come since


def stored() -> ShardState:
    return codec.decode(SHARD.read_bytes(), ShardState)


def areas(profile: Profile) -> list[object]:
    values = [str(float(value)) for value in profile.values]  # tells -0.0 from 0.0
    return [values, profile.texts, profile.maps, str(profile.series), profile.tables]


def test_every_field_is_in_the_golden_user() -> None:
    present = {field.name for field, _ in codec.decode(USER.read_bytes(), UserState).ListFields()}
    assert {field.name for field in UserState.DESCRIPTOR.fields} - present == OF_V1 | OF_CHUNKS
    assert {field.name for field, _ in codec.decode(CHUNKS.read_bytes(), UserState).ListFields()} > OF_CHUNKS


@pytest.mark.parametrize("file", [USER, CHUNKS], ids=["columns", "chunks"])
def test_it_reads_as_what_it_was(file: Path) -> None:
    assert stored() == declared_golden.shard()
    layouts = StoredLayouts(declared_golden.plan().layout, stored().layouts)
    found, expected = decode_user(file.read_bytes(), declared_golden.bounds(), layouts), declared_golden.timeline()
    assert areas(committed_of(found)) == areas(committed_of(expected))
    assert areas(found.profile()) == areas(expected.profile())
    assert (found.waiting(), found.segments_published) == (expected.waiting(), expected.segments_published)
    assert found.published.rows == expected.published.rows


def test_another_plan_reads_what_it_shares_with_it() -> None:
    """Not by the project's files, which may be gone: by the layout that the shard's state has."""
    (layout,) = stored().layouts
    written = Layout.from_json(layout)
    layouts = StoredLayouts(v1_plan().layout, [layout])
    found = decode_user(USER.read_bytes(), bounds_of(job_settings(), v1_plan()), layouts)
    expected = declared_golden.timeline()
    assert [event.type for event in found.waiting()] == [
        {PURCHASE: PURCHASE, VIEW: VIEW}.get(event.type, CUSTOM) for event in expected.waiting()
    ]
    assert {(event.numbers, event.texts) for event in found.waiting()} == {((), ())}
    values = v1_plan().vector(found.profile())
    assert values[v1_plan().vector_names.index("session_views")] == expected.profile().session.views
    before, after = committed_of(expected), committed_of(found)
    kept = [place.slots.value for key, place in v1_plan().layout.places.items() if key in written.places]
    assert [after.values[slot] for slot in kept] == [before.values[slot] for slot in kept]
    assert (after.texts, after.maps) == (before.texts[:1], before.maps[:1])
