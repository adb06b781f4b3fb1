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
import os
import re
import shutil
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.catalogue import FEATURE_SET, V1
from driftline.errors import ModelError
from driftline.units import MIB

CURRENT = "current"
INPUT, OUTPUT = "features", "probabilities"  # of the ONNX graph
MODEL_BYTES_MAX = 256 * MIB  # a larger one would not fit beside the rest of a TaskManager
_MODEL, _MANIFEST = "model.onnx", "manifest.json"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")  # a folder's name, not a way to another place
_PROBES = (0.0, 1.0)  # a row of each must give probabilities before a model is used


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
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"{path}: not a model manifest: {error}"
            raise ModelError(message) from error


class OnnxModel:
    """A model of purchase propensity that runs in ONNX Runtime.

    To be made on a thread that Python started (jobs/model_watch.py says why); `predict` may be called on any.
    It runs on one thread: the core belongs to the operator. A tree ensemble adds up each row by itself, in float32 and
    tree order, so a row's result does not depend on the rows beside it (tests/unit/test_models.py).
    """

    def __init__(self, onnx: bytes, version: str) -> None:
        self.version = version
        self._session = _session(onnx)
        probes = np.repeat(np.array(_PROBES, dtype=np.float32)[:, None], len(V1), axis=1)
        self.predict(probes)  # also sets up what the first run needs

    def predict(self, vectors: Sequence[bytes] | NDArray[np.float32]) -> list[float]:
        """Return P(purchase within the next 30 minutes) for each vector: n rows of 40 features, n values in 0..1.

        A row as bytes is float32, little-endian.

        Raises ModelError where the model gives anything else, and what ONNX Runtime raises where it cannot be run.
        """
        rows = _rows(vectors)
        return _probabilities(self._session.run([OUTPUT], {INPUT: rows})[0], len(rows))


def _probabilities(output: Any, rows: int) -> list[float]:
    """The second of two columns: P(no purchase) and P(purchase)."""
    if not isinstance(output, np.ndarray) or output.shape != (rows, 2) or output.dtype.kind != "f":
        found = f"{output.dtype} {output.shape}" if isinstance(output, np.ndarray) else type(output).__name__
        message = f"its output {OUTPUT} should be floats of shape {(rows, 2)}, not {found}"
        raise ModelError(message)
    column = output[:, 1]
    if rows and not (np.minimum.reduce(column) >= 0 and np.maximum.reduce(column) <= 1):  # nor is NaN
        message = "its probabilities are not all within 0..1"
        raise ModelError(message)
    values: list[float] = column.tolist()
    return values


def _rows(vectors: Sequence[bytes] | NDArray[np.float32]) -> NDArray[np.float32]:
    if isinstance(vectors, np.ndarray):
        return vectors.astype(np.float32, copy=False)
    # End to end: numpy's look at each row took twice the model's time in the job's profile.
    return np.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), -1)


def _session(onnx: bytes) -> Any:
    import onnxruntime  # noqa: PLC0415  (slow, and not on every thread)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


class ModelFolder:
    """The models below one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self) -> None:
        """Raise ModelError where the folder does not exist or cannot be used."""
        try:
            found = self.path.stat()
        except OSError as error:
            message = f"models_dir {self.path}: {error.strerror}"
            raise ModelError(message) from error
        if not stat.S_ISDIR(found.st_mode):
            message = f"models_dir {self.path} is not a folder"
            raise ModelError(message)

    def current_version(self) -> str:
        """Name the model in use; empty while none was trained. Raises ModelError where `current` names none."""
        pointer = self.path / CURRENT
        try:
            with pointer.open("rb") as file:
                name = file.read(1_024).decode().strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            message = f"{pointer}: {error.strerror}"
            raise ModelError(message) from error
        except UnicodeDecodeError:
            name = "\0"
        if not _VERSION.fullmatch(name):
            message = f"{pointer}: should hold the name of a folder beside it, in ASCII, and nothing else"
            raise ModelError(message)
        return name

    def mark(self, version: str) -> object:
        """What tells the files of a version from others under the same name; equal marks: nothing was changed."""
        return tuple(_stamp(self.path / version / name) for name in (_MODEL, _MANIFEST))

    def load(self, version: str) -> OnnxModel:
        """Load a model.

        Raises:
            ModelError: missing, too large, changed since it was stored, made for another feature set, or not a model
                that makes a probability of each vector.
        """
        folder = self.path / version
        manifest = Manifest.read(folder / _MANIFEST)
        if manifest.feature_set != FEATURE_SET or manifest.features != tuple(f.name for f in V1):
            message = f"{folder}: made for feature set {manifest.feature_set!r}; this release computes {FEATURE_SET!r}"
            raise ModelError(message)
        try:
            onnx = _read(folder / _MODEL)
        except OSError as error:
            message = f"{folder / _MODEL}: {error.strerror}"
            raise ModelError(message) from error
        if hashlib.sha256(onnx).hexdigest() != manifest.sha256:
            message = f"{folder / _MODEL}: its content does not match the hash in {_MANIFEST}"
            raise ModelError(message)
        try:
            return OnnxModel(onnx, version)
        except Exception as error:  # onnxruntime's own exceptions share no public base
            message = f"{folder / _MODEL}: not a model that can be run: {error}"
            raise ModelError(message) from error

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


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        onnx = file.read(MODEL_BYTES_MAX + 1)
    if len(onnx) > MODEL_BYTES_MAX:
        message = f"{path}: larger than {MODEL_BYTES_MAX} bytes"
        raise ModelError(message)
    return onnx


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
