"""Trained models on disk: an ONNX file and a manifest a version, and the file `current` that names the one in use.

    models/
      current                     the version's name, replaced atomically
      20260105T101500-3f9c0d1a/   made whole under another name, then renamed
        model.onnx                loading it runs no code, unlike a pickle
        manifest.json             feature set, metrics, content hash

The folder must be the same for the trainer and every TaskManager: a local path here, a shared volume on a cluster.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from driftline.errors import ModelError
from driftline.metrics import JobMetric
from driftline.native_thread import NativeThread
from udfs.features import FEATURE_SET, V1

_log = logging.getLogger(__name__)

CURRENT = "current"
INPUT, OUTPUT = "features", "probabilities"  # of the ONNX graph
_MODEL, _MANIFEST = "model.onnx", "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a stored model is."""

    version: str
    feature_set: str
    features: tuple[str, ...]
    sha256: str  # of model.onnx
    trained_at_ms: int
    metrics: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest file. Raises ModelError where it is not one."""
        try:
            document = json.loads(path.read_text())
            return cls(**{**document, "features": tuple(document["features"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not a model manifest: {error}") from error  # noqa: EM102


_thread = NativeThread("onnx")


class OnnxModel:
    """A model of purchase propensity that runs in ONNX Runtime.

    One thread: the core belongs to the operator. A tree ensemble adds up each row by itself, in float32 and tree order,
    so a row's result does not depend on the rows beside it (tests/unit/test_models.py).
    """

    def __init__(self, onnx: bytes, version: str) -> None:
        self.version = version
        self._session = _thread.run(partial(_session, onnx))

    def predict(self, vectors: Sequence[Sequence[float]] | NDArray[np.float32]) -> list[float]:
        """Return P(purchase within the next 30 minutes) for each vector: n rows of 40 features, n values in 0..1."""
        probabilities: list[float] = self._session.run([OUTPUT], {INPUT: _rows(vectors)})[0][:, 1].tolist()
        return probabilities


def _rows(vectors: Sequence[Sequence[float]] | NDArray[np.float32]) -> NDArray[np.float32]:
    if len(vectors) and isinstance(vectors[0], array) and vectors[0].typecode == "f":
        # The buffers of arrays end to end: numpy's look at each took twice the model's time in the job's profile.
        return np.frombuffer(b"".join(cast("Sequence[array[float]]", vectors)), np.float32).reshape(len(vectors), -1)
    return np.asarray(vectors, dtype=np.float32)


def _session(onnx: bytes) -> Any:
    """Load a model, and run it once.

    To be called on a native thread: the library's import, and what its first run sets up, hang on Flink's threads
    (driftline/native_thread.py). Later runs do not ask for the thread's state, and are fine on any thread; handing each
    to the native one would cost more than the run itself.
    """
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    session.run([OUTPUT], {INPUT: np.zeros((1, len(V1)), dtype=np.float32)})
    return session


class ModelFolder:
    """The models below one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def current_version(self) -> str:
        """Name the model in use; empty while none was trained."""
        try:
            return (self.path / CURRENT).read_text().strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            text = f"{self.path / CURRENT}: {error.strerror}"
            raise ModelError(text) from error

    def load(self, version: str) -> OnnxModel:
        """Load a model.

        Raises:
            ModelError: missing, changed since it was stored, or made for another feature set.
        """
        folder = self.path / version
        manifest = Manifest.read(folder / _MANIFEST)
        if manifest.feature_set != FEATURE_SET or manifest.features != tuple(f.name for f in V1):
            text = f"{folder}: made for feature set {manifest.feature_set!r}; this release computes {FEATURE_SET!r}"
            raise ModelError(text)
        try:
            onnx = (folder / _MODEL).read_bytes()
        except OSError as error:
            text = f"{folder / _MODEL}: {error.strerror}"
            raise ModelError(text) from error
        if hashlib.sha256(onnx).hexdigest() != manifest.sha256:
            text = f"{folder / _MODEL}: its content does not match the hash in {_MANIFEST}"
            raise ModelError(text)
        try:
            return OnnxModel(onnx, version)
        except Exception as error:  # onnxruntime's own exceptions share no public base
            text = f"{folder / _MODEL}: not a model that can be run: {error}"
            raise ModelError(text) from error

    def store(self, onnx: bytes, *, trained_at_ms: int, stamp: str, metrics: dict[str, Any]) -> Manifest:
        """Store a model and make it the current one; a reader sees the old one or the new one, never a part.

        Args:
            onnx: the model's bytes.
            trained_at_ms: wall-clock time.
            stamp: first part of the version's name, for people (a date); the second is the content hash.
            metrics: what the training reports.
        """
        digest = hashlib.sha256(onnx).hexdigest()
        manifest = Manifest(
            version=f"{stamp}-{digest[:8]}",
            feature_set=FEATURE_SET,
            features=tuple(feature.name for feature in V1),
            sha256=digest,
            trained_at_ms=trained_at_ms,
            metrics=metrics,
        )
        folder = self.path / manifest.version
        draft = self.path / f".{manifest.version}.{os.getpid()}"
        draft.mkdir(parents=True, exist_ok=True)
        (draft / _MODEL).write_bytes(onnx)
        (draft / _MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
        if folder.exists():
            shutil.rmtree(draft)  # the same content at the same second
        else:
            draft.rename(folder)
        self._set_current(manifest.version)
        return manifest

    def _set_current(self, version: str) -> None:
        draft = self.path / f".{CURRENT}.{os.getpid()}"
        draft.write_text(version + "\n")
        draft.replace(self.path / CURRENT)


class ModelFollower:
    """The current model of a folder, picked up within `poll_s` of a change: call it to get the model to score with.

    A model that cannot be loaded is logged and counted once, and tried again at every look; the one before stays in
    use meanwhile, because a bad upload must not stop the scores.
    """

    def __init__(
        self,
        path: Path,
        poll_s: float,
        count: Callable[[JobMetric], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = ModelFolder(path)
        self._poll_s = poll_s
        self._count = count
        self._clock = clock
        self._next_look_s = float("-inf")
        self._failed = ""
        self._model: OnnxModel | None = None

    def __call__(self) -> OnnxModel | None:
        """Return the model, None while there is none."""
        now_s = self._clock()
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + self._poll_s
            self._look()
        return self._model

    def _look(self) -> None:
        try:
            version = self._folder.current_version()
            if not version or (self._model and version == self._model.version):
                return
            self._model = self._folder.load(version)
            self._count(JobMetric.MODEL_LOADS)
            _log.info("model %s is in use", version)
        except ModelError as error:
            if str(error) != self._failed:
                self._failed = str(error)
                self._count(JobMetric.MODEL_LOAD_FAILURES)
                _log.exception("a newer model cannot be loaded; the one before stays in use")
