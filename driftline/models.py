"""Trained models on disk: an ONNX file and a manifest a version, and the file `current` that names the one in use.

    models/
      current                     the version's name, replaced atomically
      20260105T101500-3f9c0d1a/   made whole under another name, then renamed
        model.onnx                loading it runs no code, unlike a pickle
        manifest.json             score, features, metrics, content hash
      finish/                     the models of another score: the same again
        current
        ...

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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from driftline.catalogue import PURCHASE_PROPENSITY, SHIPPED, FeatureSet
from driftline.errors import ModelError
from driftline.estimators import CLASSIFICATION
from driftline.manifest import Manifest
from driftline.onnx_model import OnnxModel
from driftline.units import MIB

CURRENT = "current"
MODEL_BYTES_MAX = 256 * MIB  # a larger one would not fit beside the rest of a TaskManager
_MODEL, _MANIFEST = "model.onnx", "manifest.json"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")  # a folder's name, not a way to another place


class ModelFolder:
    """The models of one score, below one folder.

    Args:
        path: the folder.
        root: the folder that must exist, where that is another: that of all scores, of which `path` is a part that the
            first model makes.
    """

    def __init__(self, path: Path, root: Path | None = None) -> None:
        self.path = path
        self._root = path if root is None else root

    def check(self) -> None:
        """Raise ModelError where the folder, or that of all scores, does not exist or cannot be used."""
        try:
            found = self._root.stat()
        except OSError as error:
            message = f"models_dir {self._root}: {error.strerror}"
            raise ModelError(message) from error
        if not stat.S_ISDIR(found.st_mode):
            message = f"models_dir {self._root} is not a folder"
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

    def manifest(self, version: str) -> Manifest:
        """Read the manifest of a version. Raises ModelError where there is none."""
        return Manifest.read(self.path / version / _MANIFEST)

    def load(self, version: str, features: FeatureSet = SHIPPED, *, score: str = "", task: str = "") -> OnnxModel:
        """Load a model.

        Args:
            version: its name.
            features: those that the model will be given, in the order of whole vectors.
            score: the score that it must have been made for; empty: any.
            task: what it must do; empty: anything.

        Raises:
            ModelError: missing, too large, changed since it was stored, made of features that are not there or have
                changed, made for another score, or not a model that makes a number of each vector.
        """
        folder = self.path / version
        manifest = self.manifest(version)
        for wanted, found, what in ((score, manifest.score, "score"), (task, manifest.task, "task")):
            if wanted and wanted != found:
                message = f"{folder}: made for {what} {found!r}; {wanted!r} is declared here"
                raise ModelError(message)
        try:
            columns = manifest.columns_in(features)
        except ModelError as error:
            message = f"{folder}: {error}"
            raise ModelError(message) from None
        try:
            onnx = _read(folder / _MODEL)
        except OSError as error:
            message = f"{folder / _MODEL}: {error.strerror}"
            raise ModelError(message) from error
        if hashlib.sha256(onnx).hexdigest() != manifest.sha256:
            message = f"{folder / _MODEL}: its content does not match the hash in {_MANIFEST}"
            raise ModelError(message)
        try:
            return OnnxModel(
                onnx,
                version,
                task=manifest.task,
                columns=columns,
                width=len(features.features),
                row_by_row=manifest.row_by_row,
            )
        except Exception as error:  # onnxruntime's own exceptions share no public base
            message = f"{folder / _MODEL}: not a model that can be run: {error}"
            raise ModelError(message) from error

    def store(
        self,
        onnx: bytes,
        *,
        trained_at_ms: int,
        stamp: str,
        metrics: dict[str, Any],
        score: str = PURCHASE_PROPENSITY,
        task: str = CLASSIFICATION,
        feature_set: FeatureSet = SHIPPED,
        features: Sequence[str] = (),
        row_by_row: bool = False,
    ) -> Manifest:
        """Store a model and make it the current one; a reader sees the old one or the new one, never a part.

        Args:
            onnx: the model's bytes.
            trained_at_ms: wall-clock time.
            stamp: first part of the version's name, for people (a date); the second is the content hash.
            metrics: what the training reports.
            score: what it makes.
            task: CLASSIFICATION or REGRESSION.
            feature_set: that it was made for.
            features: names of that set, what the columns of its input are; empty: all of them, in order.
            row_by_row: whether its rows must be run one at a time.
        """
        digest = hashlib.sha256(onnx).hexdigest()
        names = tuple(features) or feature_set.names
        manifest = Manifest(
            version=f"{stamp}-{digest[:8]}",
            feature_set=feature_set.name,
            features=names,
            sha256=digest,
            trained_at_ms=trained_at_ms,
            metrics=metrics,
            score=score,
            task=task,
            feature_hashes={one.name: one.hash for one in feature_set.features if one.hash and one.name in names},
            declaration=feature_set.hash,
            row_by_row=row_by_row,
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
