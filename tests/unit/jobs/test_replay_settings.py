"""The settings of a replay: places in a topic, users, and what goes together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.errors import InputError, SettingError
from jobs.replay_settings import offsets_in, offsets_text, replay_settings, users_in
from jobs.settings import ScoreEventsSettings


@given(st.dictionaries(st.integers(0, 10_000), st.integers(0, 10**15)))
def test_offsets_are_read_as_they_are_written(offsets: dict[int, int]) -> None:
    assert offsets_in(offsets_text(offsets)) == offsets


def test_blanks_between_offsets_mean_nothing() -> None:
    assert offsets_in(" 0:120 , 1:88,") == {0: 120, 1: 88}


@pytest.mark.parametrize("name", ["start_offsets", "until_offsets"])
@pytest.mark.parametrize("text", ["120", "0:1,0:2", "0:-1", "a:1", "0:1;1:2"])
def test_what_is_no_list_of_offsets_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingError, match=f"{name}: should be partition:offset joined by commas"):
        ScoreEventsSettings.load(**{name: text})


@pytest.mark.parametrize("name", ["start_offsets", "until_offsets"])
def test_records_of_the_lake_begin_and_end_with_the_chunks(name: str) -> None:
    with pytest.raises(SettingError, match="chunks_topic says by itself where to begin and end"):
        ScoreEventsSettings.load(chunks_topic="chunks", lake_url="/lake", **{name: "0:1"})


def test_chunks_need_a_lake_and_a_topic_of_their_own() -> None:
    with pytest.raises(SettingError, match="chunks_topic needs lake_url"):
        ScoreEventsSettings.load(chunks_topic="chunks")
    with pytest.raises(SettingError, match="events_topic and chunks_topic are both 'events'"):
        ScoreEventsSettings.load(chunks_topic="events", lake_url="/lake")


def test_users_are_listed_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text("u2\n\n  u1\nu2\nü\n")
    assert users_in(file) == ("u1", "u2", "ü")


def test_a_file_without_users_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text("\n")
    with pytest.raises(InputError, match="has 0 user ids"):
        users_in(file)
    with pytest.raises(InputError, match="cannot be read"):
        users_in(tmp_path / "none.txt")


@pytest.mark.parametrize("rate", [0.0, 500.0])
def test_the_settings_of_a_replay_are_settings_of_the_job(rate: float) -> None:
    settings = ScoreEventsSettings.load(**replay_settings(2, rate))
    assert (settings.parallelism, settings.events_a_s_max) == (2, rate)


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("", ("", "")),
        ("2026-01-05..", ("2026-01-05", "")),
        ("..2026-01-07", ("", "2026-01-07")),
        ("2026-01-05..2026-01-07", ("2026-01-05", "2026-01-07")),
    ],
)
def test_dates_of_the_lake(text: str, dates: tuple[str, str]) -> None:
    assert ScoreEventsSettings.load(lake_dates=text).dates == dates


@pytest.mark.parametrize("text", ["2026-01-05", "5.1.2026", "2026-01-05...2026-01-07"])
def test_dates_that_are_none(text: str) -> None:
    with pytest.raises(SettingError, match="lake_dates"):
        ScoreEventsSettings.load(lake_dates=text)
