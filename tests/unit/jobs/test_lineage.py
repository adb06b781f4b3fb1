"""Which state a job may be restored with, and the state that it continues with."""

from __future__ import annotations

from typing import Any

import pytest

from driftline.catalogue import FEATURE_SET
from driftline.errors import SettingError
from driftline.state.v1.state_pb2 import ShardState
from jobs import lineage
from jobs.bundle import Bound
from jobs.lineage import Submission
from jobs.settings import REMEMBERED, ScoreEventsSettings
from sink_connectors.score_store import Progress, Recorded
from tests.builders import DAY, MINUTE, T0, job_settings
from tests.v1 import plan
from udfs.shards import KEYS, shard_keys

FIRST, LATER = Submission(1_000, restored=False), Submission(2_000, restored=True)
OTHER = {
    "namespace": "other",
    "events_topic": "events.2",
    "dead_letter_topic": "dead.2",
    "late_topic": "late.2",
    "sessions_topic": "sessions.2",
    "segments_topic": "segments.2",
    "scores_topic": "scores.2",
    "events_format": "json",
    "events_framing": "confluent",
    "disorder_ms": 2 * MINUTE,
    "dedupe_horizon_ms": 2 * DAY,
    "dedupe_ids_max": 5_000,
    "clock_skew_ms_max": 6 * MINUTE,
    "event_time_min_ms": T0 - DAY,
    "event_time_max_ms": T0 + 9_000 * DAY,
    "session_gap_ms": 31 * MINUTE,
    "user_ttl_ms": 91 * DAY,
    "tail_events_max": 1_000,
    "tail_bytes_max": 100_000,
    "categories_max": 33,
    "event_bytes_max": 300_000,
    "currency": "EUR",
    "currency_rates": "USD=0.92",
    "refused_ids": "@placeholders,bot-7",
    "refused_event_ids": "",
}
NEEDS: dict[str, dict[str, Any]] = {"currency_rates": {"currency": "EUR"}}  # what else a value makes no sense without
FILES = {"declarations", "events_mapping"}  # remembered by what they say
# Where the job runs and how fast; another value changes nothing about the state.
FREE = {
    "kafka_bootstrap",
    "redis_url",
    "redis_password_file",
    "models_dir",
    "group_id",
    "isolation_level",
    "deleted_offsets",
    "parallelism",
    "block_ms",
    "block_events_max",
    "block_bytes_max",
    "users_kept_max",
    "users_kept_bytes_max",
    "hot_users_named_max",
    "redis_retry_s",
    "model_poll_s",
    "partition_drift_ms_max",
    "partition_idle_ms",
    "schema_registry_url",
    "schema_registry_user",
    "schema_registry_password_file",
    "schema_registry_ca_file",
    "require_model",
    "new_generation",
    "adopt",
    "allow",
    # Where records come from and end, and whose count: a replay goes on as the live job without them.
    "start_offsets",
    "until_offsets",
    "chunks_topic",
    "lake_dates",
    "lake_url",
    "s3_endpoint",
    "only_users",
    "events_a_s_max",
}


def state_of(submission: Submission = FIRST, **settings: Any) -> dict[int, ShardState]:
    """The state of all shards of a job that began with these settings."""
    made = job_settings(**settings)
    return lineage.resume({}, lineage.own_shards(made, KEYS), made, submission, Bound(plan()))


def resume(found: dict[int, ShardState], submission: Submission = LATER, **settings: Any) -> dict[int, ShardState]:
    changed = job_settings(**settings)
    return lineage.resume(found, lineage.own_shards(changed, KEYS), changed, submission, Bound(plan()))


def test_job_without_state_begins_every_shard_with_its_own_generation() -> None:
    states = state_of(shards=16)
    assert tuple(states) == shard_keys(16)
    assert {(state.generation, state.shards) for state in states.values()} == {(1_000, 16)}


def test_restored_job_keeps_generation_and_totals() -> None:
    found = state_of()
    found[KEYS[0]].accepted = 7
    states = resume(found)
    assert {state.generation for state in states.values()} == {1_000}
    assert lineage.report(states[KEYS[0]]).totals == Progress(accepted=7)


def test_state_without_stored_settings_takes_on_the_present_ones() -> None:
    found = {key: ShardState(generation=5, shards=8, accepted=1) for key in shard_keys(8)}
    states = resume(found, disorder_ms=2 * MINUTE)
    assert {state.made_with["disorder_ms"] for state in states.values()} == {str(2 * MINUTE)}
    with pytest.raises(SettingError, match="disorder_ms=120000"):
        resume(states)


def test_every_setting_is_remembered_or_known_to_change_nothing() -> None:
    assert tuple(OTHER) == REMEMBERED
    assert set(ScoreEventsSettings.model_fields) == {*REMEMBERED, "shards", *FILES, *FREE}


@pytest.mark.parametrize(("name", "value"), OTHER.items())
def test_another_value_is_refused_with_the_stored_one_unless_it_is_adopted(name: str, value: Any) -> None:
    needs = NEEDS.get(name, {})
    before = getattr(job_settings(), name)
    with pytest.raises(SettingError) as caught:
        resume(state_of(**needs), **needs, **{name: value})
    message = str(caught.value)
    assert f"{name}={before}, not {value};" in message
    assert f"--set {name}={before}, or" in message
    assert f"--set adopt={name} " in message

    adopted = resume(state_of(**needs), adopt=name, **needs, **{name: value})
    assert {state.made_with[name] for state in adopted.values()} == {str(value)}
    resume(adopted, **needs, **{name: value})  # from here on it is the state's own


def test_all_differing_settings_are_named_at_once() -> None:
    found = state_of(disorder_ms=MINUTE // 2, session_gap_ms=40 * MINUTE)
    with pytest.raises(
        SettingError, match="--set disorder_ms=30000 --set session_gap_ms=2400000, or with --set adopt="
    ):
        resume(found)
    with pytest.raises(SettingError, match=r"disorder_ms=30000, not 60000; .*--set adopt=disorder_ms,session_gap_ms "):
        resume(found, adopt="session_gap_ms")  # what was adopted already is not lost from the line


def test_other_number_of_shards_is_refused_and_cannot_be_adopted() -> None:
    for made, wanted in ((8, 16), (16, 8)):
        with pytest.raises(SettingError, match=f"made with shards={made}; submit with --set shards={made}"):
            resume(state_of(shards=made), shards=wanted)
    with pytest.raises(SettingError, match="adopt: should be names"):
        job_settings(adopt="shards")


def test_other_feature_set_is_refused_by_name_and_can_be_adopted() -> None:
    found = state_of()
    for state in found.values():
        state.made_with["feature_set"] = "v0"
    with pytest.raises(SettingError, match=f"feature_set=v0, not {FEATURE_SET}; submit with --set adopt=feature_set "):
        resume(found)
    assert resume(found, adopt="feature_set")[KEYS[0]].made_with["feature_set"] == FEATURE_SET


def test_settings_of_a_newer_release_are_kept_and_not_compared() -> None:
    found = state_of()
    found[KEYS[0]].made_with["of_the_future"] = "yes"
    assert resume(found)[KEYS[0]].made_with["of_the_future"] == "yes"


def test_lowered_time_to_live_needs_a_new_generation() -> None:
    with pytest.raises(SettingError, match=r"user_ttl_ms=.*--new-generation"):
        resume(state_of(), user_ttl_ms=30 * DAY, adopt="user_ttl_ms")
    states = resume(state_of(), user_ttl_ms=30 * DAY, adopt="user_ttl_ms", new_generation=True)
    assert {state.generation for state in states.values()} == {LATER.generation}
    resume(state_of(), user_ttl_ms=91 * DAY, adopt="user_ttl_ms")  # a longer one needs nothing


def test_new_generation_is_the_submissions_and_stays_that_over_restarts() -> None:
    states = resume(state_of(), new_generation=True)
    assert {state.generation for state in states.values()} == {2_000}
    again = resume(states, new_generation=True)  # a restart: the same submission
    assert {state.generation for state in again.values()} == {2_000}
    later = resume(again, Submission(1_500, restored=True), new_generation=True)  # never back
    assert {state.generation for state in later.values()} == {2_000}


@pytest.mark.parametrize(
    ("recorded", "submission", "says"),
    [
        (Recorded(1_500, 8), LATER, "--new-generation"),
        (Recorded(2_000, 8), FIRST, "clock"),
        (Recorded(1_500, 16), LATER, "--set shards=16"),
    ],
)
def test_refused_claim_names_the_way_out(recorded: Recorded, submission: Submission, says: str) -> None:
    with pytest.raises(SettingError, match=says) as caught:
        lineage.require_claimed(recorded, job_settings(), submission)
    assert "namespace main" in str(caught.value)
    assert "\n" not in str(caught.value)
    lineage.require_claimed(None, job_settings(), submission)


def test_claim_covers_every_shard() -> None:
    states = state_of(shards=2)
    claim = lineage.claim(states, "job", job_settings(shards=2), unproven=True)
    assert (claim.shards, claim.job_id, claim.unproven) == (2, "job", True)
    assert dict(claim.generations) == dict.fromkeys(shard_keys(2), 1_000)
    assert dict(claim.progress) == dict.fromkeys(shard_keys(2), Progress())
