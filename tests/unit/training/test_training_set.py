"""Training sets: rows that say what training would have learned from, and a card that says what they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftline.errors import InputError
from driftline.jsonlines import format_event
from driftline.models import ModelFolder
from history.lake.layout import ROW_GROUP_ROWS
from history.reading import EventReader
from jobs.pipeline import bounds_of, decoder_of
from jobs.plans import plan_for
from tests.builders import HOUR, MINUTE, NOW, job_settings, message
from training.card import Card
from training.examples import Examples
from training.histories import LeftOut, read_files
from training.learned_score import LearnedScore
from training.lineage import data_hash, files_source
from training.run import examples_of, train, train_on
from training.sampling import ALL_USERS, Sampling
from training.training_set import Origin, columns_of, read_set, write_set

SETTINGS = {"session_gap_ms": 1_800_000}
LEARNED = LearnedScore.of_plan(plan_for(job_settings()).data)
WIDTH = len(LEARNED.feature_set.features)


def origin(sampling: Sampling = ALL_USERS, now_ms: int = NOW) -> Origin:
    source = {"kind": "files", "files": [{"name": "h.jsonl", "sha256": "ab"}]}
    return Origin({"kind": "event"}, SETTINGS, source, sampling.as_card(), 7, "code", now_ms)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shoppers, of whom those who fill a cart mostly buy a little later."""
    lines = []
    for user in range(250):
        for visit in range(8):
            at_ms = (visit * 20 * 60 + user) * MINUTE
            look = 3 if (user + visit) % 3 == 0 else 1
            lines.append(message(f"u{user}", at_ms, type=look, event_id=f"{visit}-look"))
            if look == 3 and user % 7:
                lines.append(message(f"u{user}", at_ms + 5 * MINUTE, type=4, event_id=f"{visit}-buy", value=5.0))
    file = tmp_path_factory.mktemp("history") / "history.jsonl"
    file.write_text("\n".join(map(format_event, lines)))
    return file


@pytest.fixture(scope="module")
def examples(history: Path) -> Examples:
    return examples_from(history)


def examples_from(history: Path, sampling: Sampling = ALL_USERS, learned: LearnedScore = LEARNED) -> Examples:
    job = job_settings()
    found = read_files(EventReader([history]), decoder_of(job), NOW, sampling=sampling)
    return examples_of(found, bounds_of(job), learned, sampling)


def test_a_set_makes_the_model_that_the_history_makes(tmp_path: Path, history: Path, examples: Examples) -> None:
    card = write_set(tmp_path / "set", examples, LEARNED, origin())
    job = job_settings()
    direct, report = train(
        EventReader([history]),
        ModelFolder(tmp_path / "direct"),
        NOW,
        lambda _: None,
        decoder=decoder_of(job),
        bounds=bounds_of(job),
        learned=LEARNED,
    )
    loaded = read_set(tmp_path / "set", LEARNED, SETTINGS)
    again, report_again = train_on(
        loaded.examples, ModelFolder(tmp_path / "again"), NOW, lambda _: None, learned=LEARNED
    )
    assert (again.sha256, report_again) == (direct.sha256, report)
    assert data_hash(loaded.examples, LEARNED) == data_hash(examples, LEARNED) == card.data_sha256
    assert loaded.card == card


def test_the_same_events_give_the_same_bytes(tmp_path: Path, history: Path, examples: Examples) -> None:
    one = write_set(tmp_path / "one", examples, LEARNED, origin())
    other = write_set(tmp_path / "other", examples_from(history), LEARNED, origin(now_ms=NOW + HOUR))
    assert (tmp_path / "one" / "rows.parquet").read_bytes() == (tmp_path / "other" / "rows.parquet").read_bytes()
    assert (one.rows_sha256, one.data_sha256) == (other.rows_sha256, other.data_sha256)


def test_rows_are_named_columns(tmp_path: Path, examples: Examples) -> None:
    names = {int(one): f"user {one}" for one in np.unique(examples.user_hashes)}
    write_set(tmp_path / "set", examples, LEARNED, origin(), names)
    table = pq.read_table(tmp_path / "set" / "rows.parquet")
    own = ["user_hash", "user_id", "time_ms", "age_s", "label", "split"]
    assert table.column_names == [*own, *LEARNED.names]
    assert table.num_rows == len(examples)
    for position, name in enumerate(LEARNED.names):
        assert np.array_equal(table.column(name).to_numpy(), examples.vectors[:, position])
    first = table.slice(0, 1).to_pylist()[0]
    assert first["user_id"] == f"user {first['user_hash']}"
    held_out = table.filter(np.array(table.column("split").to_pylist()) == "test").column("user_hash").to_pylist()
    assert held_out and all(one % 5 == 0 for one in held_out)


def test_the_card_says_what_the_rows_are(tmp_path: Path, examples: Examples) -> None:
    card = write_set(tmp_path / "set", examples, LEARNED, origin())
    assert card.rows == len(examples) == sum(one.rows for one in card.periods)
    assert card.users == 250
    assert card.rows_at_ages == int((examples.ages_s > 0).sum()) > 0
    assert card.by == "week"
    mean = sum(one.rows * one.label_mean for one in card.periods) / card.rows
    assert mean == pytest.approx(card.label_mean)
    assert {name: card.split[name] for name in ("train", "test", "neither")} == {
        name: pq.read_table(tmp_path / "set" / "rows.parquet").column("split").to_pylist().count(name)
        for name in ("train", "test", "neither")
    }
    text = (tmp_path / "set" / "card.md").read_text()
    for told in (f"{card.rows:,}", card.data_sha256, "2025-12-29", "h.jsonl", "session_gap_ms=1800000"):
        assert told in text
    assert Card.parse((tmp_path / "set" / "card.json").read_text(), "x") == card


@given(st.lists(st.sampled_from(["label", "feature_label", "split", "time_ms", "views", "user_id"]), unique=True))
def test_columns_of_features_are_never_those_of_the_set(names: list[str]) -> None:
    columns = columns_of(names)
    taken = [*columns.values(), "user_hash", "user_id", "time_ms", "age_s", "label", "split"]
    assert list(columns) == names and len(set(taken)) == len(taken)


@given(st.integers(0, 3), st.integers(1, 2 * ROW_GROUP_ROWS + 5))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, seed: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    left_out = LeftOut()
    left_out.add("LATE", number=3)
    made = Examples(
        rng.normal(size=(number, WIDTH)).astype(np.float32),
        rng.integers(0, 2, number).astype(np.float64),
        rng.integers(0, NOW, number),
        np.sort(rng.integers(0, 1 << 63, number).astype(np.uint64)),
        left_out,
        rng.integers(0, 100, number),
    )
    folder = tmp_path_factory.mktemp("sets") / "set"
    write_set(folder, made, LEARNED, origin())
    found = read_set(folder, LEARNED, SETTINGS).examples
    for name in ("vectors", "labels", "times_ms", "user_hashes", "ages_s"):
        one, other = getattr(made, name), getattr(found, name)
        assert one.dtype == other.dtype and np.array_equal(one, other)
    assert found.left_out.counts == {"LATE": 3}


def test_a_sample_has_whole_users_and_the_rows_that_they_have_among_all(history: Path, examples: Examples) -> None:
    half = examples_from(history, Sampling(0.5, seed=3))
    users = set(half.user_hashes.tolist())
    assert 80 < len(users) < 170
    among_all = np.isin(examples.user_hashes, half.user_hashes) & (examples.ages_s == 0)
    at_events = half.ages_s == 0
    assert np.array_equal(half.vectors[at_events], examples.vectors[among_all])
    assert np.array_equal(half.labels[at_events], examples.labels[among_all])


def test_a_bound_of_rows_is_kept(history: Path) -> None:
    few = examples_from(history, Sampling(rows_max=500))
    assert 0 < len(few) <= 500
    assert few.left_out.counts["moments beyond the sample"] > 0


def changed(card: Path, **changes: object) -> None:
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"score": "churn_risk"}, "is for score churn_risk, not for purchase_propensity"),
        ({"declaration": "other"}, r"made by other declarations \(v1, other\)"),
        ({"settings": {"session_gap_ms": 5}}, "made with session_gap_ms=5, the job has session_gap_ms=1800000"),
        ({"rows_sha256": "0"}, "does not match the hash in card.json"),
        ({"format": 99}, "made by a later release"),
        ({"periods": 3}, "not the card of a training set"),
    ],
)
def test_a_set_that_does_not_fit_is_refused(
    tmp_path: Path, examples: Examples, changes: dict[str, object], why: str
) -> None:
    write_set(tmp_path / "set", examples, LEARNED, origin())
    changed(tmp_path / "set" / "card.json", **changes)
    with pytest.raises(InputError, match=why):
        read_set(tmp_path / "set", LEARNED, SETTINGS)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, examples: Examples) -> None:
    (tmp_path / "set").mkdir()
    write_set(tmp_path / "set", examples, LEARNED, origin())
    with pytest.raises(InputError, match="is there already"):
        write_set(tmp_path / "set", examples, LEARNED, origin())
    with pytest.raises(InputError, match="not a training set"):
        read_set(tmp_path, LEARNED, SETTINGS)
    assert [one.name for one in tmp_path.iterdir()] == ["set"]


def test_files_are_told_by_their_hashes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    found = files_source([tmp_path / "a", Path("-")])
    assert found["files"][0]["sha256"] == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert found["files"][1] == {"name": "-", "sha256": None}
