"""Trained models of a score: an ONNX file and a manifest a version, and the file `current` that names the live one.

    models/
      current                     the version's name, replaced atomically
      20260105T101500-3f9c0d1a/   made whole under another name, then renamed
        model.onnx                loading it runs no code, unlike a pickle
        manifest.json             score, features, metrics, where it is from, content hash
      changes/                    which version was live when (driftline/model_changes.py)
      finish/                     the models of another score: the same again
        current
        ...

The folder must be the same for the trainer and every TaskManager: a local path here, a shared volume or a bucket
(driftline/model_bucket.py) on a cluster.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from driftline.catalogue import PURCHASE_PROPENSITY, SHIPPED, FeatureSet
from driftline.errors import ModelError
from driftline.estimators import CLASSIFICATION
from driftline.manifest import Manifest
from driftline.model_changes import Action, Change
from driftline.model_files import CURRENT, LocalModelFiles, ModelFiles, has_hash, why
from driftline.onnx_model import OnnxModel
from driftline.units import MIB

CHANGES: Final = "changes"
MODEL_BYTES_MAX = 256 * MIB  # a larger one would not fit beside the rest of a TaskManager
_MODEL, _MANIFEST = "model.onnx", "manifest.json"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")  # a folder's name, not a way to another place
_POINTER_BYTES: Final = 1_024


class ModelFolder:
    """The models of one score, below one folder.

    Args:
        path: the folder.
        root: the folder that must exist, where that is another: that of all scores, of which `path` is a part that the
            first model makes.
        files: how it is read and written, where it is none on disk.
    """

    def __init__(self, path: Path, root: Path | None = None, files: ModelFiles | None = None) -> None:
        self.path = path
        self.files: ModelFiles = files or LocalModelFiles(path, path if root is None else root)
        self.where = self.files.where

    def check(self) -> None:
        """Raise ModelError where the folder, or that of all scores, does not exist or cannot be used."""
        self.files.check()

    def current_version(self) -> str:
        """Name the live model; empty while there is none. Raises ModelError where `current` names none."""
        pointer = f"{self.where}/{CURRENT}"
        try:
            name = self.files.read(CURRENT, _POINTER_BYTES).decode().strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            message = f"{pointer}: {why(error)}"
            raise ModelError(message) from error
        except UnicodeDecodeError:
            name = "\0"
        if not _VERSION.fullmatch(name):
            message = f"{pointer}: should hold the name of a folder beside it, in ASCII, and nothing else"
            raise ModelError(message)
        return name

    def mark(self, version: str) -> object:
        """What tells the files of a version from others under the same name; equal marks: nothing was changed."""
        return tuple(self.files.mark(f"{version}/{name}") for name in (_MODEL, _MANIFEST))

    def manifest(self, version: str) -> Manifest:
        """Read the manifest of a version. Raises ModelError where there is none."""
        name = f"{version}/{_MANIFEST}"
        try:
            content = self.files.read(name, MODEL_BYTES_MAX)
        except OSError as error:
            message = f"{self.where}/{name}: {why(error)}"
            raise ModelError(message) from error
        return Manifest.parse(content, f"{self.where}/{name}")

    def versions(self) -> list[str]:
        """Return the names of all versions, by name: those of training begin with their time."""
        try:
            names = self.files.names()
            return [name for name in names if _VERSION.fullmatch(name) and self.files.exists(f"{name}/{_MANIFEST}")]
        except OSError as error:
            message = f"{self.where}: {why(error)}"
            raise ModelError(message) from error

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
        folder = f"{self.where}/{version}"
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
        onnx = self.onnx(version, manifest)
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
            message = f"{folder}/{_MODEL}: not a model that can be run: {error}"
            raise ModelError(message) from error

    def onnx(self, version: str, manifest: Manifest) -> bytes:
        """Return a model's bytes. Raises ModelError: missing, too large, or changed since it was stored."""
        where = f"{self.where}/{version}/{_MODEL}"
        try:
            onnx = self.files.read_hashed(f"{version}/{_MODEL}", manifest.sha256, MODEL_BYTES_MAX + 1)
        except OSError as error:
            message = f"{where}: {why(error)}"
            raise ModelError(message) from error
        if len(onnx) > MODEL_BYTES_MAX:
            message = f"{where}: larger than {MODEL_BYTES_MAX} bytes"
            raise ModelError(message)
        if not has_hash(onnx, manifest.sha256):
            message = f"{where}: its content does not match the hash in {_MANIFEST}"
            raise ModelError(message)
        return onnx

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
        lineage: Mapping[str, Any] | None = None,
        live: bool = True,
        action: Action = Action.TRAIN,
    ) -> Manifest:
        """Store a model, and make it the live one; a reader sees the old one or the new one, never a part.

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
            lineage: where it is from.
            live: whether it becomes the live one; else it is a candidate.
            action: how it came here.
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
            lineage=dict(lineage or {}),
        )
        described = (json.dumps(asdict(manifest), indent=2) + "\n").encode()
        try:
            self.files.add(manifest.version, {_MODEL: onnx, _MANIFEST: described})
        except OSError as error:
            message = f"{self.where}: {why(error)}"
            raise ModelError(message) from error
        if live:
            self.make_live(manifest.version, action, trained_at_ms)
        return manifest

    def make_live(self, version: str, action: Action, at_ms: int, note: str = "") -> None:
        """Make a version the live one, and keep a record of it; nothing where it is that already.

        Raises ModelError where the folder cannot be written.
        """
        try:
            before = self.current_version()
        except ModelError:
            before = ""  # what somebody wrote there names no model
        if before != version:
            self.record(Change(at_ms=at_ms, action=action, version=version, before=before, note=note))
            self._write(CURRENT, f"{version}\n".encode())

    def record(self, change: Change) -> None:
        """Add a change to those that are kept; its file is never written again. Raises ModelError."""
        number = len(self._change_names()) + 1
        self._write(f"{CHANGES}/{number:06d}-{change.action}-{change.version}.json", change.as_json())

    def changes(self) -> list[Change]:
        """Return what was done to the score's models, the oldest first. Raises ModelError where one cannot be read."""
        found: list[Change] = []
        for name in self._change_names():
            try:
                found.append(Change.parse(self.files.read(f"{CHANGES}/{name}", _POINTER_BYTES * 64)))
            except OSError as error:
                message = f"{self.where}/{CHANGES}/{name}: {why(error)}"
                raise ModelError(message) from error
            except ValueError as error:
                message = f"{self.where}/{CHANGES}/{name}: {error}"
                raise ModelError(message) from None
        return found

    def _change_names(self) -> list[str]:
        try:
            return self.files.names(CHANGES)
        except OSError as error:
            message = f"{self.where}/{CHANGES}: {why(error)}"
            raise ModelError(message) from error

    def _write(self, name: str, content: bytes) -> None:
        try:
            self.files.write(name, content)
        except OSError as error:
            message = f"{self.where}/{name}: {why(error)}"
            raise ModelError(message) from error
