"""The registry of a score's models: which versions there are, in which stage, and what makes another one live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from driftline.catalogue import FeatureSet
from driftline.errors import InputError, ModelError
from driftline.manifest import Manifest
from driftline.model_changes import Action, Change, Stage, lived, retired_of
from driftline.model_scores import ModelScore
from driftline.models import ModelFolder
from driftline.settings import unknown


@dataclass(frozen=True)
class Version:
    """A version of a model.

    Attributes:
        name: of the version.
        stage: what it is to the score.
        manifest: what it is; None where it cannot be read.
        problem: why it cannot be used by these declarations; empty where it can, or nobody has tried.
    """

    name: str
    stage: Stage
    manifest: Manifest | None
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts; metrics and lineage are in `manifest`."""
        found = self.manifest
        shown: dict[str, Any] = {"version": self.name, "stage": str(self.stage)}
        if found is not None:
            shown |= {
                "score": found.score,
                "task": found.task,
                "trained_at_ms": found.trained_at_ms,
                "feature_set": found.feature_set,
                "declaration": found.declaration,
                "features": list(found.features),
                "sha256": found.sha256,
                "metrics": found.metrics,
                "lineage": dict(found.lineage),
            }
        return shown | {"problem": self.problem}


class ModelRegistry:
    """The models of a score.

    Args:
        score: the score, as it is declared.
        features: those of whole vectors, in their order.
        folder: where its models are.
    """

    def __init__(self, score: ModelScore, features: FeatureSet, folder: ModelFolder) -> None:
        self.score = score
        self.features = features
        self.folder = folder

    def live(self) -> str:
        """Name the live version; empty where there is none. Raises ModelError where `current` names none."""
        return self.folder.current_version()

    def versions(self) -> list[Version]:
        """Return all versions, by name; whether each can be used is not tried."""
        retired, live = retired_of(self.folder.changes()), self._live_if_known()
        return [self._version(name, live, retired) for name in self.folder.versions()]

    def version(self, name: str, *, tried: bool = False) -> Version:
        """Return a version.

        Args:
            name: its name, or the beginning of no other's.
            tried: whether to load it, and say why it cannot be used.

        Raises:
            InputError: there is no such version, or there are several.
        """
        full = self._named(name)
        found = self._version(full, self._live_if_known(), retired_of(self.folder.changes()))
        if not tried or found.problem:
            return found
        try:
            self.require_usable(full)
        except ModelError as error:
            return Version(found.name, found.stage, found.manifest, str(error))
        return found

    def require_usable(self, name: str) -> None:
        """Load a version as a job would. Raises ModelError, which says why it cannot be used."""
        self.folder.load(name, self.features, score=self.score.name, task=self.score.task)

    def promote(self, name: str, now_ms: int, *, force: bool = False, note: str = "") -> str:
        """Make a version live, and return its name; jobs pick it up by themselves.

        Args:
            name: its name, or the beginning of no other's.
            now_ms: wall-clock time.
            force: a retired one, too.
            note: why, for people.

        Raises:
            InputError: there is no such version, it is live already, or it is retired.
            ModelError: it cannot be used with these declarations, or the folder cannot be written.
        """
        found = self.promotable(name, force=force)
        self.folder.make_live(found.name, Action.PROMOTE, now_ms, note)
        return found.name

    def promotable(self, name: str, *, force: bool = False) -> Version:
        """Return a version that may become live; arguments and errors are those of `promote`."""
        found = self.version(name)
        if found.stage is Stage.LIVE:
            message = f"{found.name} is the live model of {self.score.name} already"
            raise InputError(message)
        if found.stage is Stage.RETIRED and not force:
            message = f"{found.name} is retired; --force makes it live all the same"
            raise InputError(message)
        self.require_usable(found.name)
        return found

    def rollback(self, now_ms: int, note: str = "") -> tuple[str, str]:
        """Make the version live again that was so before, and return it and the one that was left.

        What was left is not gone back to: a second rollback goes further back. Retired versions are left out.

        Raises:
            InputError: there is none.
            ModelError: it cannot be used with these declarations, or the folder cannot be written.
        """
        live, changes = self._live_if_known(), self.folder.changes()
        there, retired = set(self.folder.versions()), retired_of(changes)
        before = [one for one in lived(changes, live) if one in there and one not in retired]
        if not before:
            message = (
                f"nothing is known to have been the live model of {self.score.name} before "
                f"{live or 'now'}; `driftline models list --all` shows what there is, `promote` makes it live"
            )
            raise InputError(message)
        self.require_usable(before[-1])
        self.folder.make_live(before[-1], Action.ROLLBACK, now_ms, note)
        return before[-1], live

    def retire(self, name: str, now_ms: int, note: str = "") -> str:
        """Mark a version as one that is not to become live again, and return its name. Its files stay.

        Raises:
            InputError: there is no such version, or it is the live one.
        """
        found = self.version(name)
        if found.stage is Stage.LIVE:
            message = f"{found.name} is the live model of {self.score.name}: promote another one first"
            raise InputError(message)
        if found.stage is not Stage.RETIRED:
            self.folder.record(Change(at_ms=now_ms, action=Action.RETIRE, version=found.name, note=note))
        return found.name

    def _version(self, name: str, live: str, retired: set[str]) -> Version:
        stage = Stage.LIVE if name == live else Stage.RETIRED if name in retired else Stage.CANDIDATE
        try:
            return Version(name, stage, self.folder.manifest(name))
        except ModelError as error:
            return Version(name, stage, None, str(error))

    def _live_if_known(self) -> str:
        """Name the live version; empty where `current` names none: another one can be made live then, too."""
        try:
            return self.live()
        except ModelError:
            return ""

    def _named(self, name: str) -> str:
        names = self.folder.versions()
        if name in names:
            return name
        alike = [one for one in names if one.startswith(name)]
        if len(alike) == 1:
            return alike[0]
        if alike:
            message = f"several models of {self.score.name} begin with {name!r}: {', '.join(alike)}"
            raise InputError(message)
        if not names:
            message = f"there is no model of {self.score.name} in {self.folder.where}"
            raise InputError(message)
        raise InputError(unknown(f"model of {self.score.name}", name, names))
