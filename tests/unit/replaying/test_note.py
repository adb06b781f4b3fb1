"""What is kept of a replay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.accounting import Extent, Part
from console.progress import replay_extents
from console.replaying.assignments import of_phase, without_secrets
from console.replaying.note import LakePart, Phase, Replay, describe
from console.replaying.topics import output_names
from driftline.errors import InputError
from jobs.register import spec_of

SPEC = spec_of("score-events")
LAKE = LakePart(url="/lake", chunks_topic="again.chunks.1", events=90)
BOTH = Replay(
    topic="events",
    parts={0: Part(0, 100, 60), 1: Part(20, 40, 40)},
    phase=Phase.LAKE,
    lake=LAKE,
    settings={"session_gap_ms": "5", "block_ms": "20"},
    parallelism=2,
    only_users="/u",
)


def test_it_is_read_as_it_was_written() -> None:
    assert Replay.decode(BOTH.encode()) == BOTH
    assert Replay.decode(b"") is None


@pytest.mark.parametrize("note", [b"{", b"{}", b'{"parts": {}, "lake": null, "phase": "moon"}'])
def test_what_another_release_wrote_is_refused(note: bytes) -> None:
    with pytest.raises(InputError, match="another release"):
        Replay.decode(note)


def test_the_phase_of_the_lake_ends_where_the_lake_does() -> None:
    assert BOTH.needs_topic
    assert BOTH.lake_alone().parts == {0: Part(0, 60, 60), 1: Part(20, 40, 40)}
    assert not BOTH.lake_alone().needs_topic


def test_what_it_reads_is_bounded_by_what_was_asked_for() -> None:
    in_kafka = {0: Extent(50, 130), 1: Extent(70, 90), 2: Extent(0, 5)}
    assert replay_extents(BOTH, in_kafka) == {0: Extent(50, 100), 1: Extent(20, 40)}
    live = Replay(topic="events", parts={0: Part(3)})
    assert replay_extents(live, in_kafka) == {0: Extent(50, 130), 1: Extent(70, 90), 2: Extent(0, 5)}
    past = Replay(topic="events", parts={0: Part(3, 9)})
    assert replay_extents(past, in_kafka) == {0: Extent(9, 9)}  # Kafka has deleted all of it: that is no news


class TestAssignments:
    def test_the_outputs_are_the_namespaces_own(self) -> None:
        assert output_names(SPEC, "again") == {
            "dead_letter_topic": "again.dead-letter",
            "late_topic": "again.late",
            "scores_topic": "again.scores",
            "sessions_topic": "again.sessions",
            "segments_topic": "again.segments",
        }

    def test_from_the_lake(self) -> None:
        found = of_phase(SPEC, "again", BOTH)
        assert (found["chunks_topic"], found["lake_url"]) == ("again.chunks.1", "/lake")
        assert (found["parallelism"], found["block_ms"], found["only_users"]) == ("2", "20", "/u")
        assert not {"start_offsets", "until_offsets"} & found.keys()

    def test_dates_of_the_lake(self) -> None:
        week = replace(BOTH, lake=replace(LAKE, since="2026-01-05"))
        assert of_phase(SPEC, "again", week)["lake_dates"] == "2026-01-05.."

    def test_then_from_the_topic_behind_it(self) -> None:
        found = of_phase(SPEC, "again", BOTH.in_phase(Phase.TOPIC))
        assert (found["start_offsets"], found["until_offsets"]) == ("0:60,1:40", "0:100,1:40")
        assert "chunks_topic" not in found
        assert found["block_events_max"] == "20000"

    def test_live_it_has_the_settings_of_a_live_job_and_those_that_were_given(self) -> None:
        found = of_phase(SPEC, "again", BOTH.in_phase(Phase.LIVE))
        assert found["session_gap_ms"] == "5"
        assert not {"start_offsets", "until_offsets", "block_events_max", "events_a_s_max"} & found.keys()

    def test_one_that_goes_live_never_has_an_end(self) -> None:
        live = Replay(topic="events", parts={0: Part(7), 1: Part(0)}, then_live=True)
        found = of_phase(SPEC, "again", live)
        assert found["start_offsets"] == "0:7,1:0"
        assert "until_offsets" not in found

    def test_secrets_are_not_kept(self) -> None:
        assert without_secrets({"redis_url": "redis://:secret@host", "block_ms": "5"}) == {"block_ms": "5"}


def test_words_for_lists() -> None:
    assert describe(BOTH) == "replay of the lake and topic"
    assert describe(BOTH.lake_alone().in_phase(Phase.DONE)) == "replay of the lake, done"
