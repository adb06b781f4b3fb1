"""The models in use: one thread for each process and folder polls and loads models, operators take the reference.

The scores of a plan that models make have a folder each, and so a watcher and a follower each.

The folder may be on a network file system, which can hang, or in a bucket. So only the watcher's thread touches it, and
no block, barrier or end of the process waits for that thread (but for a request to a bucket, which has a time-out:
driftline/model_bucket.py). It must be a thread that Python itself has started. In Flink's
thread mode the JVM calls Python on its own threads, whose thread state `PyGILState_Ensure` does not find: with pemja
0.5.7 it waits for ever for the interpreter lock that its own thread holds. Libraries bound with pybind11, ONNX Runtime
among them, call it while they are imported and on the first run of a model. Later runs do not call it and work on any
thread; handing each block to another thread would cost more than the model itself.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from driftline.catalogue import SHIPPED, FeatureSet
from driftline.errors import ModelError
from driftline.metrics import JobGauge, JobMetric
from driftline.model_scores import ModelScore
from driftline.models import ModelFolder
from driftline.onnx_model import OnnxModel

_log = logging.getLogger(__name__)

OPEN_WAIT_S = 30.0  # for the first look, which imports ONNX Runtime: seconds on a busy machine


class ModelWatcher:
    """The model in use of one folder. No method except `look` touches the folder.

    A model that cannot be used is logged and counted once, until its name changes or another model has worked since; it
    is read again only when its files change, or where they could not be read. The previous model stays in use: a bad
    upload must not stop the scores.

    Args:
        path: the folder.
        poll_s: seconds between two looks.
        features: those that a model will be given.
        folder: how the folder is read, where that differs; `path` is not looked at then.
        score: the score that its models must be made for, and what they must do; None: any.
    """

    def __init__(
        self,
        path: Path,
        poll_s: float,
        features: FeatureSet = SHIPPED,
        *,
        folder: ModelFolder | None = None,
        score: ModelScore | None = None,
    ) -> None:
        self._folder = folder or ModelFolder(path)
        self.where = self._folder.where
        self.model: OnnxModel | None = None
        self.failures = 0  # number of models that could not be used, since the process began
        self.problem = ""  # why the current model is not in use as of the newest look; empty if it is
        self.there = True  # whether the newest look found the folder
        self.looked_at_s = time.monotonic()  # when the newest look ended
        self._features = features
        self._score, self._task = (score.name, score.task) if score else ("", "")
        self._poll_s = poll_s
        self._before: OnnxModel | None = None
        self._marks: dict[str, object] = {}  # by version: marks of the files of these two models
        self._failed: dict[str, object] = {}  # marks of the models that could not be used since one could
        self._changing = threading.Lock()  # held for assignments alone, never while the folder is read
        self._looks = 0
        self._looked = threading.Condition()
        self._poke = threading.Event()

    def start(self) -> None:
        """Start the thread that looks now and then every `poll_s` seconds; it does not keep the process alive."""
        threading.Thread(target=self._run, name=f"models {self.where}", daemon=True).start()

    def await_look(self, timeout_s: float) -> bool:
        """Wait for a look at the folder that begins now; False if it takes longer than `timeout_s`."""
        with self._looked:
            looks = self._looks
            self._poke.set()
            return self._looked.wait_for(lambda: self._looks > looks, timeout_s)

    def reject(self, model: OnnxModel, error: Exception) -> None:
        """Replace a model whose run failed by the previous one, if there is one."""
        with self._changing:
            if self.model is not model:  # another operator has rejected it already
                return
            self.model, self._before = self._before, None
            self._note(model.version, self._marks[model.version], f"model {model.version} failed in use: {error}")

    def look(self) -> None:
        """Look at the folder once, and load its current model unless it is in use or known to be bad."""
        version, mark, there = "", object(), False
        try:
            self._folder.check()
            there = True
            version = self._folder.current_version()
            if not version or (self.model and version == self.model.version):
                self._fine()
                return
            mark = self._folder.mark(version)
            if self._failed.get(version) == mark:
                return
            self._use(self._folder.load(version, self._features, score=self._score, task=self._task), mark)
        except ModelError as error:
            with self._changing:
                self._note(version or str(error), object() if _may_pass(error) else mark, str(error))
        finally:
            self.there = there
            self.looked_at_s = time.monotonic()

    def _use(self, model: OnnxModel, mark: object) -> None:
        with self._changing:
            self._before, self.model = self.model, model
            marks = {model.version: mark}
            if self._before is not None:
                marks.setdefault(self._before.version, self._marks[self._before.version])
            self._marks = marks
        self._fine()
        _log.info("model %s is in use", model.version)

    def _fine(self) -> None:
        with self._changing:
            self._failed, self.problem = {}, ""

    def _note(self, what: str, mark: object, why: str) -> None:
        """Remember a model that cannot be used; counted and logged only if it is a new problem."""
        if what not in self._failed:
            self.failures += 1
            in_use = f"{self.model.version} stays in use" if self.model else "there is none in use"
            _log.error("the current model cannot be used, %s: %s", in_use, why)
        self._failed[what], self.problem = mark, why

    def _run(self) -> None:
        while True:
            self._poke.clear()
            try:
                self.look()
            except Exception:  # a bug; the thread goes on, because only it can find the next model
                _log.exception("looking at %s failed", self.where)
            with self._looked:
                self._looks += 1
                self._looked.notify_all()
            self._poke.wait(self._poll_s)


def _may_pass(error: ModelError) -> bool:
    """Whether the folder could not be read, so that the model is to be read again although it has not changed."""
    cause = error.__cause__
    return isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)


def watcher(
    path: Path | str,
    poll_s: float,
    features: FeatureSet = SHIPPED,
    score: ModelScore | None = None,
    s3_endpoint: str = "",
) -> ModelWatcher:
    """Return the process's watcher of a score's models, started: thread mode never closes operators.

    One for each operator would pile up. Another declaration makes another one, for jobs of two plans in one process.

    Args:
        path: models_dir, below which the score's folder is; a folder or s3://bucket/prefix.
        poll_s: seconds between two looks.
        features: those that its models will be given.
        score: the score; None: any whose models are in models_dir itself.
        s3_endpoint: URL of a server that speaks S3; empty: that of AWS.
    """
    return _watcher(str(path), poll_s, features, score, s3_endpoint)


@functools.cache
def _watcher(
    models_dir: str, poll_s: float, features: FeatureSet, score: ModelScore | None, s3_endpoint: str
) -> ModelWatcher:
    folder = (score or ModelScore(name="", task="")).models(models_dir, s3_endpoint)
    made = ModelWatcher(folder.path, poll_s, features, folder=folder, score=score)
    made.start()
    return made


class ModelFollower:
    """One operator's view of a watcher: calling it once a block returns the model of a score to score with.

    Args:
        watched: the watcher.
        required: whether to raise ModelError instead of scoring without a model.
        count: adds one to a counter.
        optional: whether the score can do without a model until one is trained. One that is there and cannot be used
            is as required as any other: the score would change its meaning and back.
    """

    def __init__(
        self,
        watched: ModelWatcher,
        required: bool,
        count: Callable[[JobMetric], None],
        *,
        optional: bool = False,
    ) -> None:
        self.version = ""
        self._watched = watched
        self._required = required
        self._count = count
        self._optional = optional
        self._model: OnnxModel | None = None
        self._failures = 0

    def open(self, wait_s: float = OPEN_WAIT_S) -> None:
        """Wait for the first model, if there is one.

        Raises:
            ModelError: the folder does not exist or does not answer, or there is no model and one is required. If the
                process has a model already, the folder is not asked.
        """
        watched = self._watched
        if watched.model is None:
            if not watched.await_look(wait_s):
                message = f"models_dir {watched.where} does not answer within {wait_s:g} s"
                raise ModelError(message)
            if watched.model is None and not watched.there:
                message = f"{watched.problem}; mount it, or make it where no model is trained yet"
                raise ModelError(message)
        self._failures = watched.failures - bool(watched.problem)
        self()

    def __call__(self) -> ModelFollower | None:
        """Return itself if there is a model, None if there is none and none is required."""
        watched = self._watched
        if watched.model is not self._model:
            self._model = watched.model
            if self._model is not None:
                self.version = self._model.version
                self._count(JobMetric.MODEL_LOADS)
        while self._failures < watched.failures:
            self._failures += 1
            self._count(JobMetric.MODEL_LOAD_FAILURES)
        if self._model is not None:
            return self
        if self._required and not self._does_without:
            why = watched.problem or f"none is current in {watched.where}"
            message = f"require_model is on and there is no model to score with: {why}"
            raise ModelError(message)
        return None

    def predict(self, vectors: Sequence[bytes]) -> list[float] | None:
        """See `udfs.scoring.Model`; afterwards `version` names the model that was used."""
        while (model := self._model) is not None:
            try:
                return model.predict(vectors)
            except MemoryError:
                raise
            except Exception as error:  # onnxruntime's own exceptions share no public base
                self._watched.reject(model, error)
                self()
        return None

    def gauges(self) -> dict[JobGauge, int]:
        """Return the current values of the gauges."""
        age_s = int(time.monotonic() - self._watched.looked_at_s)
        present = self._model is not None or self._does_without
        return {JobGauge.MODEL_PRESENT: int(present), JobGauge.MODEL_LOOK_AGE_S: age_s}

    @property
    def _does_without(self) -> bool:
        """Whether nothing is missing although there is no model: none was trained yet, and the score has a formula."""
        return self._optional and not self._watched.problem


def followers_of(
    models_dir: Path | str,
    poll_s: float,
    features: FeatureSet,
    scores: Iterable[ModelScore],
    *,
    required: bool,
    count: Callable[[JobMetric], None],
    s3_endpoint: str = "",
) -> dict[str, ModelFollower]:
    """Return an operator's follower of each score's models, by score; none is opened yet.

    Args:
        models_dir: below which the folders of the scores are.
        poll_s: seconds between two looks at a folder.
        features: those that the models will be given.
        scores: of the plan (`driftline.model_scores.model_scores_of`).
        required: whether to raise ModelError instead of scoring without one of the models.
        count: adds one to a counter.
        s3_endpoint: URL of a server that speaks S3, for a `models_dir` there; empty: that of AWS.
    """
    return {
        score.name: ModelFollower(
            watcher(models_dir, poll_s, features, score, s3_endpoint), required, count, optional=score.has_formula
        )
        for score in scores
    }


def gauges_of(followers: Mapping[str, ModelFollower]) -> dict[JobGauge, int]:
    """Return the gauges of several followers: whether every score has a model, and the age of the oldest look."""
    shown = [follower.gauges() for follower in followers.values()]
    if not shown:
        return {}
    return {
        JobGauge.MODEL_PRESENT: min(one[JobGauge.MODEL_PRESENT] for one in shown),
        JobGauge.MODEL_LOOK_AGE_S: max(one[JobGauge.MODEL_LOOK_AGE_S] for one in shown),
    }


class Gauges:
    """Flink gauges that hold the last value they were given.

    PyFlink's own `gauge` calls back into Python from a thread of Flink's metrics, while the operator uses the same
    interpreter state; its `distribution` is a Java gauge that holds a number.
    """

    def __init__(self, group: Any) -> None:
        self._held = {gauge: group.distribution(gauge.value) for gauge in JobGauge}
        self._shown: dict[JobGauge, int] = {}

    def show(self, values: dict[JobGauge, int]) -> None:
        """Give Flink the values that have changed."""
        for gauge, value in values.items():
            if self._shown.get(gauge) != value:
                self._held[gauge].update(value)
                self._shown[gauge] = value
