"""An audit finds what was planted, and nothing otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import console.auditing.audit
import history.lake.reading
from console.accounting import Extent
from console.auditing.audit import Audited, Auditing, Wanted
from console.auditing.log import RecordLog, Topic
from console.auditing.positions import Range
from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.catalogue_message import Catalogue, catalogue_of
from driftline.errors import InputError, ServiceUnavailable
from driftline.models import ModelFolder
from driftline.serving.v1.scores_pb2 import UserScores
from history.lake.location import locate
from history.lake.reading import Lake
from jobs.bundle import Bound, bind, bundle_of
from jobs.settings import ScoreEventsSettings
from sink_connectors.in_memory_store import InMemoryScoreStore
from sink_connectors.score_store import ShardReport
from sink_connectors.score_value import StoredScores, encode_value
from tests.builders import DAY, MINUTE, T0, HalfModel, event
from tests.lakes import TOPIC, TopicRecord, eventful_history, raw_table, write_lake
from tests.onnx_models import constant
from tests.unit.history.test_healing import Run
from tests.unit.jobs.projects import folder, settings_of
from tests.unit.replaying.replays import live_job, local_replay
from udfs.event import VIEW
from udfs.plan.plan import Plan

NOW_MS = 1_900_000_000_000
MANY = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
PROJECT = """
project: {name: shop, ages: [10m, 1h, 1d, 7d]}
features:
  views: {count: VIEW}
  weekly: {count: VIEW, half_life: %s}
scores:
  activity: {expr: 'weekly / (1.0 + weekly)'}
segments:
  lively: {when: 'weekly >= 0.9'}
"""
DECLARED, CHANGED = folder(PROJECT % "1d"), folder(PROJECT % "2d")


class Half(HalfModel):
    def __init__(self, version: str) -> None:
        self.version = version


class FakeTopic(Topic):
    """A topic of these records, of which the first offsets of each partition may be deleted."""

    def __init__(self, records: Sequence[TopicRecord], begin: int = 0) -> None:
        self._records, self._begin = records, begin

    def close(self) -> None:
        pass

    def extents(self) -> dict[int, Extent]:
        ends: dict[int, int] = {}
        for record in self._records:
            ends[record.partition] = record.offset + 1
        return {partition: Extent(min(self._begin, end), end) for partition, end in ends.items()}

    def read(self, wanted: Range) -> tuple[Any, int]:
        end = min(wanted.end, wanted.begin + 7)
        rows = [one for one in self._records if one.partition == wanted.partition and wanted.begin <= one.offset < end]
        return raw_table(rows).select(["key", "payload", "offset", "record_time_ms"]), end


class Moving:
    """Values that move on each time their progress is read."""

    def __init__(self, stores: Sequence[InMemoryScoreStore]) -> None:
        self._stores = list(stores)

    @property
    def _now(self) -> InMemoryScoreStore:
        return self._stores[0]

    def read(self, user_ids: Sequence[str]) -> list[StoredScores | None]:
        return self._now.read(user_ids)

    def user_ids(self) -> Iterator[str]:
        return self._now.user_ids()

    def read_reports(self) -> dict[int, ShardReport]:
        found = self._now.read_reports()
        if len(self._stores) > 1:
            self._stores.pop(0)
        return found

    def read_skipped(self) -> dict[int, list[tuple[int, int]]]:
        return {}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history.lake.reading, "STRETCH_OFFSETS", 16)
    monkeypatch.setattr(console.auditing.audit, "PAUSE_S", 0.0)


def job(models: Path, declarations: Path | None = None, **changed: object) -> ScoreEventsSettings:
    return settings_of(declarations, **({"models_dir": models, "shards": 4, "model_poll_s": 60.0} | changed))


def bound_of(of: ScoreEventsSettings) -> Bound:
    return bind(bundle_of(of), of)


def audited(
    of: ScoreEventsSettings,
    served: Any,
    lake: Path | None,
    *,
    topic: Topic | None = None,
    by: ScoreEventsSettings | None = None,
    now_ms: int = NOW_MS,
    **wanted: Any,
) -> Audited:
    """Audit what a job with the settings `by` has written, as `of`."""
    catalogue = Catalogue.parse(catalogue_of(bound_of(by or of).plan.data, {}))
    opened = None if lake is None else Lake(locate(str(lake)).below(TOPIC))
    log = RecordLog(opened, None if topic is None else lambda: topic)
    asked = Wanted(namespace="main", **wanted)
    return Auditing(asked, of, bound_of(of), served, catalogue, log, now_ms=lambda: now_ms).run()


def with_score(store: InMemoryScoreStore, user_id: str, score: str, value: float) -> None:
    """Alter a value by hand: of two entries of a map in a message the last one counts."""
    (stored,) = store.read([user_id])
    assert stored is not None
    more = UserScores(scores={score: value}).SerializeToString()
    store._values[user_id] = encode_value(stored.generation, stored.accepted_events, stored.scores + more)


HISTORIES = st.builds(
    eventful_history,
    users=st.integers(1, 12),
    events=st.integers(20, 200),
    seed=st.integers(0, 1 << 30),
    partitions=st.integers(1, 3),
    days=st.sampled_from([0.1, 2.0, 40.0]),
)


@MANY
@given(records=HISTORIES, share=st.sampled_from([None, 0.5, 1.0]), cut=st.floats(0, 1))
@pytest.mark.parametrize("declarations", [None, DECLARED], ids=["shipped", "declared"])
def test_nothing_is_found_where_nothing_is_wrong(  # noqa: PLR0917  (what hypothesis draws)
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
    declarations: Path | None,
    records: list[TopicRecord],
    share: float | None,
    cut: float,
) -> None:
    """Also where the lake lags behind the topic."""
    of = job(models, declarations)
    store, _ = live_job(of, records, {}, NOW_MS)
    lake = write_lake(tmp_path_factory.mktemp("lake"), records[: max(1, int(cut * len(records)))])
    found = audited(of, store, lake, topic=FakeTopic(records), share=share)
    assert (found.differing, found.not_compared, found.remarks, found.one_sided) == (0, 0, [], [])
    values = dict(store.scan())
    if share is None or share == 1.0:
        assert found.compared == len(values)
        assert found.forgotten == sum(value.is_tombstone for value in values.values())
    else:
        assert found.compared <= len(values)


def test_values_as_of_an_age_are_compared_as_of_the_newest_event(tmp_path: Path, models: Path) -> None:
    of = job(models, DECLARED)
    lake = write_lake(tmp_path, eventful_history(users=20, events=400))
    found = audited(of, local_replay(of, lake, 2), lake)
    assert found.aged > 10
    assert found.aged + found.forgotten == found.compared
    assert not found.differing


def test_a_value_that_was_altered_by_hand_is_found(tmp_path: Path, models: Path) -> None:
    of, records = job(models), eventful_history(users=20, events=400)
    store, _ = live_job(of, records, {}, NOW_MS)
    lake = write_lake(tmp_path, records)
    victim = next(user_id for user_id, stored in store.scan() if not stored.is_tombstone)
    with_score(store, victim, "engagement", 0.123456)
    found = audited(of, store, lake)
    assert (found.differing, [one.user_id for one in found.found.worst]) == (1, [victim])
    assert found.found.scores["engagement"].differ == 1
    assert found.found.worst[0].values["engagement"][0] == 0.123456
    assert found.share == 1 / found.compared
    assert audited(of, store, lake, named=[victim]).share == 1.0
    other = next(user_id for user_id, stored in store.scan() if user_id != victim and not stored.is_tombstone)
    assert audited(of, store, lake, named=[other]).share == 0.0


def test_a_feature_whose_declaration_was_changed_is_named(tmp_path: Path, models: Path) -> None:
    of, changed = job(models, DECLARED), job(models, CHANGED)
    records = eventful_history(users=20, events=400)
    store, _ = live_job(of, records, {}, NOW_MS)
    found = audited(changed, store, write_lake(tmp_path, records), by=of)
    differing = {name for name, spread in found.found.features.items() if spread.differ}
    assert differing == {"weekly"}
    assert found.found.scores["activity"].differ > 0
    assert "weekly" in found.remarks[0]


def test_a_feature_whose_code_was_changed_is_named(tmp_path: Path, models: Path) -> None:
    """What runs is not what was declared, and nothing says so: a feature keeps its name, its hash and its slots."""
    of, records = job(models, DECLARED), eventful_history(users=20, events=400)
    store, _ = live_job(of, records, {}, NOW_MS)
    lake = write_lake(tmp_path, records)
    data = bound_of(of).plan.data
    for reducer in data["reducers"]:
        if "half_life_ms" in reducer["params"]:
            reducer["params"]["half_life_ms"] *= 2
    broken = bound_of(of)._replace(plan=Plan(data, of.categories_max))
    catalogue = Catalogue.parse(catalogue_of(data, {}))
    log = RecordLog(Lake(locate(str(lake)).below(TOPIC)), None)
    found = Auditing(Wanted(namespace="main"), of, broken, store, catalogue, log, now_ms=lambda: NOW_MS).run()
    assert {name for name, spread in found.found.features.items() if spread.differ} == {"weekly"}
    assert found.share > 0
    assert not found.remarks


def test_a_user_whose_value_is_gone_or_should_not_be_there_is_found(tmp_path: Path, models: Path) -> None:
    of, records = job(models), eventful_history(users=20, events=400)
    store, _ = live_job(of, records, {}, NOW_MS)
    lake = write_lake(tmp_path, records)
    victim = next(user_id for user_id, stored in store.scan() if not stored.is_tombstone)
    value = store._values.pop(victim)
    store._values["ghost"] = value
    found = audited(of, store, lake, now_ms=T0 + 10 * DAY)
    assert sorted(found.one_sided) == sorted([(victim, "recomputed"), ("ghost", "served")])
    assert (found.found.only_first, found.found.only_second, found.differing) == (1, 1, 2)
    expired = audited(of, store, lake, now_ms=T0 + 500 * DAY)
    assert (expired.expired, expired.one_sided) == (1, [("ghost", "served")])


def test_one_who_was_forgotten_and_is_served_is_found(tmp_path: Path, models: Path) -> None:
    of, records = job(models), eventful_history(users=6, events=300, seed=10)
    store, _ = live_job(of, records, {}, NOW_MS)
    lake = write_lake(tmp_path, records)
    users = [user_id for user_id, stored in store.scan() if stored.is_tombstone]
    living = next(stored for _, stored in store.scan() if not stored.is_tombstone)
    (stored,) = store.read(users[:1])
    assert stored is not None
    store._values[users[0]] = encode_value(stored.generation, stored.accepted_events, living.scores)
    assert audited(of, store, lake).one_sided == [(users[0], "served")]


def test_an_older_value_is_found(tmp_path: Path, models: Path) -> None:
    """Redis has lost acknowledged writes."""
    of, records = job(models), eventful_history(users=5, events=300)
    store, _ = live_job(of, records, {}, NOW_MS)
    before, _ = live_job(of, records[:150], {}, NOW_MS)
    lost = [user_id for user_id, stored in before.scan() if store.read([user_id]) != [stored]]
    store._values[lost[0]] = before._values[lost[0]]
    found = audited(of, store, write_lake(tmp_path, records))
    assert [one.user_id for one in found.found.worst] == lost[:1]
    assert "accepted_events" in found.found.worst[0].fields


def test_a_value_that_has_moved_on_is_looked_at_again(tmp_path: Path, models: Path) -> None:
    of, records = job(models), eventful_history(users=8, events=300)
    stores = [live_job(of, records[:at], {}, NOW_MS)[0] for at in (150, 200, 250, 300)]
    found = audited(of, Moving(stores), write_lake(tmp_path, records))
    assert (found.differing, found.not_compared) == (0, 0)
    assert found.compared >= len(dict(stores[1].scan()))


def test_without_the_newest_records_only_users_without_them_are_compared(tmp_path: Path, models: Path) -> None:
    of, records = job(models), eventful_history(users=30, events=300)
    store, _ = live_job(of, records, {}, NOW_MS)
    lake = write_lake(tmp_path, records[:200])
    found = audited(of, store, lake)
    assert found.behind > 0
    assert found.compared > 0
    assert not found.differing
    assert "neither in the lake nor in the topic" in found.remarks[0]


def test_a_kafka_that_does_not_answer_is_named(tmp_path: Path, models: Path) -> None:
    of, records = job(models), eventful_history(users=30, events=300)
    store, _ = live_job(of, records, {}, NOW_MS)

    def away() -> Topic:
        message = "Kafka at nowhere cannot be used"
        raise ServiceUnavailable(message)

    log = RecordLog(Lake(locate(str(write_lake(tmp_path, records[:200]))).below(TOPIC)), away)
    found = Auditing(Wanted(namespace="main"), of, bound_of(of), store, Catalogue(), log).run()
    assert "Kafka at nowhere cannot be used" in found.remarks[0]


def test_without_a_lake_the_topic_does_and_a_topic_without_its_beginning_does_not(models: Path, tmp_path: Path) -> None:
    of, records = job(models), eventful_history(users=8, events=200)
    store, _ = live_job(of, records, {}, NOW_MS)
    assert not audited(of, store, None, topic=FakeTopic(records)).differing
    with pytest.raises(InputError, match="nobody can be computed again without the beginning"):
        audited(of, store, None, topic=FakeTopic(records, begin=20))
    with pytest.raises(InputError, match="offsets 0 to"):
        audited(of, store, write_lake(tmp_path, [one for one in records if one.offset >= 20]))


def test_the_topic_has_what_comes_before_the_lake(models: Path, tmp_path: Path) -> None:
    of, records = job(models), eventful_history(users=8, events=200)
    store, _ = live_job(of, records, {}, NOW_MS)
    lake = write_lake(tmp_path, [one for one in records if 20 <= one.offset < 40])
    found = audited(of, store, lake, topic=FakeTopic(records))
    assert (found.differing, found.not_compared) == (0, 0)


def test_a_namespace_that_nobody_has_written_is_an_error(models: Path, tmp_path: Path) -> None:
    lake = write_lake(tmp_path, eventful_history(users=2, events=20))
    with pytest.raises(InputError, match="no job has written namespace main"):
        audited(job(models), InMemoryScoreStore(), lake)


def test_each_user_is_scored_by_the_model_that_the_value_names(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    versions = []
    for stamp in ("20260105T101500", "20260106T101500"):
        low = 0.5 if stamp.startswith("20260105") else 0.25
        ModelFolder(models).store(constant(1 - low, low), trained_at_ms=NOW_MS, stamp=stamp, metrics={})
        versions.append(ModelFolder(models).current_version())
    of, records = job(models), eventful_history(users=8, events=200)
    store, _ = live_job(of, records, {PURCHASE_PROPENSITY: lambda: Half(versions[0])}, NOW_MS)
    lake = write_lake(tmp_path / "lake", records)
    assert not audited(of, store, lake).differing
    for file in (models / versions[0]).iterdir():
        file.unlink()
    gone = audited(of, store, lake)
    assert not gone.differing
    assert "users were compared without the score of a model that cannot be used" in gone.remarks[0]


def test_healed_users_are_as_the_order_has_made_them(tmp_path: Path, models: Path) -> None:
    run = Run()
    for at_ms in (0, DAY, 2 * DAY, 3 * DAY, MINUTE, 3 * DAY + MINUTE):
        run.event(event(at_ms, VIEW))
    run.heal()
    assert len(run.log) > 6
    records = [TopicRecord(one.partition, one.offset, -1, one.key, one.value) for one in run.log]
    of = run._settings.model_copy(update={"models_dir": models})
    store, _ = live_job(of, records, {}, NOW_MS)
    found = audited(of, store, write_lake(tmp_path, records))
    assert (found.compared, found.differing) == (1, 0)
