"""The model in use: how the watcher reads a folder, and what an operator sees of it."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from array import array
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from onnx import helper

from driftline.catalogue import SHIPPED, V1, FeatureSet
from driftline.errors import ModelError
from driftline.metrics import JobGauge, JobMetric
from driftline.model_scores import ModelScore
from driftline.models import ModelFolder
from driftline.onnx_model import OnnxModel
from jobs.model_watch import Gauges, ModelFollower, ModelWatcher, followers_of, gauges_of, watcher
from tests.onnx_models import breaks_in_use, constant, graph
from tests.redis_server import wait_until

ROW = array("f", [0.0] * len(V1)).tobytes()


BAD_ROW = array("f", [-1.0] + [0.0] * (len(V1) - 1)).tobytes()


class Followed:
    """A folder with a watcher that looks when it is told to, and a follower that counts."""

    def __init__(self, path: Path, required: bool = False) -> None:
        path.mkdir(exist_ok=True)
        self.path = path
        self.folder = ModelFolder(path)
        self.watched = ModelWatcher(path, 1.0)
        self.counts: Counter[JobMetric] = Counter()
        self.follower = ModelFollower(self.watched, required, lambda metric: self.counts.update([metric]))

    def store(self, model: bytes, stamp: str) -> str:
        return self.folder.store(model, trained_at_ms=1, stamp=stamp, metrics={}).version

    def point(self, content: bytes) -> None:
        """Write `current`, as a person with an editor would."""
        (self.path / "current").write_bytes(content)

    def look(self) -> str:
        self.watched.look()
        found = self.follower()
        return found.version if found else ""

    @property
    def failures(self) -> int:
        return self.counts[JobMetric.MODEL_LOAD_FAILURES]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path / "models")


def test_the_first_and_every_newer_model_is_picked_up(followed: Followed) -> None:
    assert followed.look() == ""
    first = followed.store(constant(0.5, 0.5), "1")
    assert followed.look() == first
    second = followed.store(constant(0.25, 0.75), "2")
    assert followed.look() == second
    assert followed.follower.predict([ROW, ROW]) == [0.75, 0.75]
    assert followed.counts == {JobMetric.MODEL_LOADS: 2}


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe2\x000\x00", b"../x", b"/etc", b"..", b".", b"a/b", b"two\nlines", b"x" * 300, b"\0", b"gone"],
)
def test_a_current_that_names_no_model_leaves_the_one_in_use(followed: Followed, content: bytes) -> None:
    first = followed.store(constant(0.5, 0.5), "1")
    assert followed.look() == first
    followed.point(content)
    assert [followed.look() for _ in range(3)] == [first] * 3
    assert followed.failures == 1


@pytest.mark.parametrize("way", ["../elsewhere/{}", "{}/../../elsewhere/{}", "{root}/elsewhere/{}"])
def test_no_model_of_another_folder_is_loaded(followed: Followed, way: str) -> None:
    first = followed.store(constant(0.5, 0.5), "1")
    followed.look()
    other = followed.path.parent / "elsewhere"
    version = ModelFolder(other).store(constant(0.1, 0.9), trained_at_ms=1, stamp="2", metrics={}).version
    followed.point(way.format(version, version, root=followed.path.parent).encode())
    assert [followed.look(), followed.look()] == [first, first]
    assert followed.failures == 1


def test_an_empty_current_leaves_the_one_in_use(followed: Followed) -> None:
    first = followed.store(constant(0.5, 0.5), "1")
    followed.look()
    followed.point(b"\n")
    assert followed.look() == first


def test_a_folder_in_place_of_current_leaves_the_one_in_use(followed: Followed) -> None:
    first = followed.store(constant(0.5, 0.5), "1")
    followed.look()
    (followed.path / "current").unlink()
    (followed.path / "current").mkdir()
    assert [followed.look(), followed.look()] == [first, first]
    assert followed.failures == 1


@pytest.mark.parametrize(
    "manifest", [b"[]", b"{}", b"null", b"\xff\xfe{\x00", b'{"version": 1}', b"[" * 100_000, b'{"features": 3}']
)
def test_a_manifest_that_is_none_leaves_the_one_in_use(followed: Followed, manifest: bytes) -> None:
    first = followed.store(constant(0.5, 0.5), "1")
    followed.look()
    second = followed.store(constant(0.4, 0.6), "2")
    (followed.path / second / "manifest.json").write_bytes(manifest)
    assert [followed.look(), followed.look()] == [first, first]
    assert followed.failures == 1


@pytest.mark.parametrize(
    ("why", "model"),
    [
        ("one column, more than 1", constant(1.5)),
        ("three columns", constant(0.2, 0.3, 0.5)),
        ("not a number", constant(0.5, float("nan"))),
        ("infinite", constant(0.5, float("inf"))),
        ("more than 1", constant(0.5, 1.5)),
        ("less than 0", constant(0.5, -0.1)),
        ("other features", graph(helper.make_node("Identity", ["features"], ["probabilities"]), columns=2)),
        ("no model", b"half"),
    ],
)
def test_a_model_that_gives_no_probabilities_leaves_the_one_in_use(followed: Followed, why: str, model: bytes) -> None:
    first = followed.store(constant(0.5, 0.5), "1")
    followed.look()
    followed.store(model, "2")
    assert [followed.look(), followed.look()] == [first, first], why
    assert followed.failures == 1
    assert followed.follower.predict([ROW]) == [0.5]


def test_a_broken_model_is_read_again_only_when_its_files_change(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = followed.folder.load

    def noting(_: ModelFolder, version: str, *_features: FeatureSet, **_wanted: str) -> OnnxModel:
        loaded.append(version)
        return load(version)

    monkeypatch.setattr(ModelFolder, "load", noting)
    second = followed.store(constant(0.4, 0.6), "2")
    file = followed.path / second / "model.onnx"
    whole = file.read_bytes()
    file.write_bytes(b"half")
    assert [followed.look() for _ in range(5)] == [""] * 5
    assert loaded == [second]
    file.write_bytes(whole)
    assert followed.look() == second
    assert loaded == [second, second]
    assert followed.failures == 1


def test_broken_then_fine_then_broken_again_counts_twice(followed: Followed) -> None:
    first = followed.store(constant(0.5, 0.5), "1")
    followed.look()
    for times in (1, 2):
        followed.point(b"gone")
        assert [followed.look(), followed.look()] == [first, first]
        assert followed.failures == times
        followed.point(first.encode())
        assert followed.look() == first


def test_a_folder_that_vanishes_leaves_the_model_in_use_and_is_logged_once(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    first = followed.store(constant(0.5, 0.5), "1")
    followed.look()
    shutil.move(followed.path, followed.path.with_name("away"))
    with caplog.at_level(logging.ERROR):
        assert [followed.look() for _ in range(3)] == [first] * 3
    assert followed.failures == 1
    (said,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert "models_dir" in said


def test_a_model_that_fails_in_use_gives_way_to_the_one_before(followed: Followed) -> None:
    first = followed.store(constant(0.5, 0.5), "1")
    followed.look()
    second = followed.store(breaks_in_use(), "2")
    assert followed.look() == second
    assert followed.follower.predict([BAD_ROW, ROW]) == [0.5, 0.5]
    assert followed.follower.version == first
    assert [followed.look(), followed.look()] == [first, first]  # it is not tried again as it is
    assert followed.failures == 1


def test_a_model_that_fails_in_use_with_none_before_leaves_none(followed: Followed) -> None:
    followed.store(breaks_in_use(), "1")
    followed.look()
    assert followed.follower.predict([BAD_ROW]) is None
    assert followed.look() == ""
    assert followed.failures == 1
    better = followed.store(constant(0.5, 0.5), "2")
    assert followed.look() == better


def test_neither_of_two_that_failed_in_use_is_tried_again(followed: Followed) -> None:
    versions = [followed.store(breaks_in_use(), "1")]
    followed.look()
    versions.append(followed.store(breaks_in_use() + b"", "2"))
    followed.look()
    assert followed.follower.predict([BAD_ROW]) is None
    for version in versions:
        followed.point(version.encode())
        assert followed.look() == ""
    assert followed.failures == 2


def test_required_and_none_left_fails_the_task(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "models", required=True)
    followed.store(breaks_in_use(), "1")
    assert followed.look()
    with pytest.raises(ModelError, match=r"require_model is on .* failed in use: .*0..1"):
        followed.follower.predict([BAD_ROW])
    with pytest.raises(ModelError, match="require_model"):
        followed.look()


@pytest.fixture
def running(tmp_path: Path) -> Callable[[str], ModelWatcher]:
    def start(name: str) -> ModelWatcher:
        made = ModelWatcher(tmp_path / name, 0.01)
        made.start()
        return made

    return start


def uncounted(metric: JobMetric) -> None:
    """For those who do not ask."""


def test_open_refuses_a_folder_that_does_not_exist(running: Callable[[str], ModelWatcher]) -> None:
    with pytest.raises(ModelError, match=r"models_dir .*not-mounted: No such file or directory; mount it"):
        ModelFollower(running("not-mounted"), False, uncounted).open()


def test_open_takes_an_empty_folder_unless_a_model_is_required(
    tmp_path: Path, running: Callable[[str], ModelWatcher]
) -> None:
    (tmp_path / "models").mkdir()
    watched = running("models")
    follower = ModelFollower(watched, False, uncounted)
    follower.open()
    assert follower() is None
    with pytest.raises(ModelError, match=r"require_model is on .*: none is current in"):
        ModelFollower(watched, True, uncounted).open()


def test_open_has_the_model_that_is_there(tmp_path: Path, running: Callable[[str], ModelWatcher]) -> None:
    version = Followed(tmp_path / "models").store(constant(0.5, 0.5), "1")
    follower = ModelFollower(running("models"), True, uncounted)
    follower.open()
    assert follower.version == version


def test_a_failure_that_lasts_is_counted_by_every_operator_that_opens(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "models")
    followed.store(constant(0.5, 0.5), "1")
    followed.look()
    followed.point(b"gone")
    followed.look()
    counts: Counter[JobMetric] = Counter()
    ModelFollower(followed.watched, False, lambda metric: counts.update([metric])).open()
    assert counts == {JobMetric.MODEL_LOADS: 1, JobMetric.MODEL_LOAD_FAILURES: 1}


def test_a_folder_that_hangs_hangs_no_operator(tmp_path: Path, running: Callable[[str], ModelWatcher]) -> None:
    """A FIFO without a writer hangs whoever opens it, as a file on a dead network volume does."""
    followed = Followed(tmp_path / "models")
    version = followed.store(constant(0.5, 0.5), "1")
    watched = running("models")
    follower = ModelFollower(watched, True, uncounted)
    follower.open()
    fifo = tmp_path / "models" / ".fifo"
    os.mkfifo(fifo)
    fifo.replace(tmp_path / "models" / "current")
    watched.await_look(0.05)  # the one that was under way
    assert not watched.await_look(0.05)

    def block() -> None:
        found = follower()
        assert found is not None and found.predict([ROW]) == [0.5] and found.version == version
        ModelFollower(watched, True, uncounted).open()  # the job restarts
        with pytest.raises(ModelError, match=r"does not answer within 0\.1 s"):
            ModelFollower(running("models"), False, uncounted).open(0.1)

    on_time = threading.Thread(target=block, daemon=True)
    on_time.start()
    on_time.join(10)
    assert not on_time.is_alive()
    assert follower.gauges()[JobGauge.MODEL_PRESENT] == 1
    wait_until(lambda: follower.gauges()[JobGauge.MODEL_LOOK_AGE_S] >= 1)
    for _ in range(2):  # each of the two watchers
        with (tmp_path / "models" / "current").open("w") as writer:
            writer.write(version)
    assert watched.await_look(5)


def test_a_folder_that_hangs_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "current")
    code = (
        "import sys; from pathlib import Path; from jobs.model_watch import watcher\n"
        f"assert not watcher(Path({str(tmp_path)!r}), 0.01).await_look(0.2); print('ends')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")


def test_operators_of_a_process_share_one_watcher(tmp_path: Path) -> None:
    before = threading.active_count()
    assert len({id(watcher(tmp_path, 60.0)) for _ in range(20)}) == 1
    assert threading.active_count() <= before + 1


def test_gauges_cross_to_java_only_when_they_change() -> None:
    told: list[tuple[str, int]] = []
    group = SimpleNamespace(
        distribution=lambda name: SimpleNamespace(update=lambda value: told.append((name, value))),
    )
    gauges = Gauges(group)
    for present in (0, 0, 1, 1):
        gauges.show({JobGauge.MODEL_PRESENT: present, JobGauge.MODEL_LOOK_AGE_S: 0})
    assert told == [("model_present", 0), ("model_look_age_s", 0), ("model_present", 1)]


def test_a_score_with_a_formula_does_without_a_model_until_one_is_there(
    tmp_path: Path, running: Callable[[str], ModelWatcher]
) -> None:
    models = Followed(tmp_path / "models")
    watched = running("models")
    follower = ModelFollower(watched, True, uncounted, optional=True)
    follower.open()
    assert follower() is None and follower.gauges()[JobGauge.MODEL_PRESENT] == 1
    models.point(b"gone")
    assert watched.await_look(30.0)
    assert follower.gauges()[JobGauge.MODEL_PRESENT] == 0
    with pytest.raises(ModelError, match=r"require_model is on .*gone"):
        follower()
    assert ModelFollower(watched, False, uncounted, optional=True)() is None
    version = models.store(constant(0.5, 0.5), "1")
    assert watched.await_look(30.0)
    assert follower() is not None and follower.version == version


FINISH = ModelScore("finish", "classification", "finish")
SPEND = ModelScore("spend", "regression", "spend")


def test_models_of_several_scores_stand_side_by_side(tmp_path: Path) -> None:
    counts: Counter[JobMetric] = Counter()
    scores = (ModelScore(), FINISH, SPEND)
    followers = followers_of(
        tmp_path, 60.0, SHIPPED, scores, required=False, count=lambda metric: counts.update([metric])
    )
    ModelFolder(tmp_path).store(constant(0.5, 0.5), trained_at_ms=1, stamp="1", metrics={})
    FINISH.models(tmp_path).store(constant(0.25, 0.75), trained_at_ms=1, stamp="2", metrics={}, score="finish")
    for follower in followers.values():
        follower.open()
    found = {name: follower.predict([ROW]) for name, follower in followers.items()}
    assert found == {"purchase_propensity": [0.5], "finish": [0.75], "spend": None}
    assert gauges_of(followers)[JobGauge.MODEL_PRESENT] == 0
    SPEND.models(tmp_path).store(
        constant(7.5), trained_at_ms=1, stamp="3", metrics={}, score="spend", task="regression"
    )
    assert watcher(tmp_path, 60.0, SHIPPED, SPEND).await_look(30.0)
    spend = followers["spend"]()
    assert spend is not None and spend.predict([ROW, ROW]) == [7.5, 7.5]
    assert gauges_of(followers)[JobGauge.MODEL_PRESENT] == 1
    assert counts[JobMetric.MODEL_LOADS] == 3 and counts[JobMetric.MODEL_LOAD_FAILURES] == 0


@pytest.mark.parametrize(("made_for", "task"), [("finish", "regression"), ("spend", "classification")])
def test_a_model_of_another_score_or_task_is_not_used(tmp_path: Path, made_for: str, task: str) -> None:
    SPEND.models(tmp_path).store(constant(0.5), trained_at_ms=1, stamp="1", metrics={}, score=made_for, task=task)
    watched = ModelWatcher(tmp_path / "spend", 60.0, folder=SPEND.models(tmp_path), score=SPEND)
    watched.look()
    assert watched.model is None
    assert "is declared here" in watched.problem


def test_the_folder_of_a_score_need_not_exist_but_that_of_all_must(tmp_path: Path) -> None:
    for root, there in ((tmp_path, True), (tmp_path / "gone", False)):
        watched = ModelWatcher(root / "spend", 60.0, folder=SPEND.models(root), score=SPEND)
        watched.look()
        assert (watched.there, bool(watched.problem)) == (there, not there)


def test_no_score_no_gauges() -> None:
    assert gauges_of({}) == {}
