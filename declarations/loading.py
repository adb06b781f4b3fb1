"""Reads a project's folder: all its *.yaml files, merged and checked one by one, every problem with file and line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any, TypeVar

from pydantic import ValidationError

from declarations.event_models import EventDeclaration
from declarations.feature_models import FEATURES, Feature
from declarations.messages import report
from declarations.models import SECTIONS, Project, ProjectSettings
from declarations.problems import Path, Place, Problems, instead
from declarations.score_models import ExprScore, ModelScore, Segment
from declarations.value_types import NAME, Strict
from declarations.yaml_tree import Tree

_FILE_BYTES_MAX = 1_000_000
_M = TypeVar("_M", bound=Strict)
_NAME = re.compile(NAME)
_SCORES: dict[str, type[Strict]] = {"expr": ExprScore, "model": ModelScore}
_BOTH = frozenset(_SCORES)  # a model, and a formula while there is none


def read_project(folder: File) -> tuple[Project, Problems]:
    """Read what a folder declares.

    Returns:
        The project without what is broken, and the problems found so far; compile_project adds to them.

    Raises:
        DeclarationError: the folder cannot be read or has no *.yaml file.
    """
    places: dict[Path, Place] = {}
    problems = Problems(places)
    merger = _Merger(folder, places, problems)
    merger.merge_all()
    return _Sections(merger.sections, places, problems).project(), problems


class _Merger:
    """Merges the files of a folder, section by section."""

    def __init__(self, folder: File, places: dict[Path, Place], problems: Problems) -> None:
        self.sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        self._folder = folder
        self._places = places
        self._problems = problems

    def merge_all(self) -> None:
        """Merge all files. Raises DeclarationError if there is none."""
        place = Place(str(self._folder), 0)
        try:
            files = sorted(file for file in self._folder.iterdir() if file.suffix == ".yaml" and file.is_file())
        except OSError as error:
            self._problems.add_at(place, (), f"cannot be read: {error.strerror}")
        else:
            for file in files:
                self._merge(file, f"{self._folder.name}/{file.name}")
            if not files:
                self._problems.add_at(place, (), "has no *.yaml file; 'driftline init' writes a first project")
                self._problems.raise_if_any()
            return
        self._problems.raise_if_any()

    def _merge(self, file: File, shown: str) -> None:
        text = self._text(file, Place(shown, 0))
        if text is None:
            return
        tree = Tree(text)
        for line, path, message in tree.problems:
            self._problems.add_at(Place(shown, line), path, message)
        if tree.data is None:
            return
        if not isinstance(tree.data, dict):
            self._problems.add_at(Place(shown, 1), (), f"must have sections; accepted: {', '.join(SECTIONS)}")
            return
        for section, entries in tree.data.items():
            self._merge_section(section, entries, tree, shown)

    def _text(self, file: File, place: Place) -> str | None:
        """Return what a file holds; None if that cannot be read."""
        message = f"is over {_FILE_BYTES_MAX:,} bytes"
        try:
            if file.stat().st_size <= _FILE_BYTES_MAX:
                return file.read_text(encoding="utf-8")
        except OSError as error:
            message = f"cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            message = "is not UTF-8"
        self._problems.add_at(place, (), message)
        return None

    def _merge_section(self, section: str, entries: Any, tree: Tree, shown: str) -> None:
        place = Place(shown, tree.lines[section,])
        if section not in self.sections:
            self._problems.add_at(place, (), f"unknown section {section!r}{instead(section, SECTIONS)}")
            return
        self._places.setdefault((section,), place)
        if entries is None:
            return
        if not isinstance(entries, dict):
            self._problems.add_at(place, (section,), "must be a mapping of names")
            return
        for name, entry in entries.items():
            path: Path = (section, name)
            if name in self.sections[section]:
                first = self._problems.place(path)
                message = f"{name!r} is declared twice; the first is in {first.file}:{first.line}"
                self._problems.add_at(Place(shown, tree.lines[path]), path, message)
                continue
            self.sections[section][name] = entry
            self._places.update({inner: Place(shown, line) for inner, line in tree.lines.items() if inner[:2] == path})


class _Sections:
    """Reads merged sections into models; what does not fit becomes a problem and a broken path."""

    def __init__(self, merged: Mapping[str, dict[str, Any]], places: Mapping[Path, Place], problems: Problems) -> None:
        self._merged = merged
        self._places = places
        self._problems = problems
        self._broken: set[Path] = set()

    def project(self) -> Project:
        """Return what could be read."""
        settings = self._model(ProjectSettings, self._merged["project"], ("project",))
        events = {name: self._event(name, entry) for name, entry in self._merged["events"].items()}
        features = {name: self._feature(name, entry) for name, entry in self._named("features")}
        scores = {name: self._score(name, entry) for name, entry in self._named("scores")}
        segments = {name: self._model(Segment, entry, ("segments", name)) for name, entry in self._named("segments")}
        return Project(
            settings=settings or ProjectSettings.model_validate({}),
            events={name: event for name, event in events.items() if event},
            features={name: feature for name, feature in features.items() if feature},
            scores={name: score for name, score in scores.items() if score},
            segments={name: segment for name, segment in segments.items() if segment},
            broken=frozenset(self._broken),
            places=self._places,
        )

    def _named(self, section: str) -> list[tuple[str, Any]]:
        """Return the entries of a section, without those whose names are not accepted."""
        entries = list(self._merged[section].items())
        for name, _ in entries:
            if not _NAME.fullmatch(name):
                self._add((section, name), f"{name!r} is no name; small letters, digits and '_', at most 64")
        return [(name, entry) for name, entry in entries if _NAME.fullmatch(name)]

    def _event(self, name: str, entry: Any) -> EventDeclaration | None:
        return self._model(EventDeclaration, {} if entry is None else entry, ("events", name))

    def _feature(self, name: str, entry: Any) -> Feature | None:
        model = self._chosen(FEATURES, entry, ("features", name))
        return self._model(model, entry, ("features", name)) if model else None

    def _score(self, name: str, entry: Any) -> ExprScore | ModelScore | None:
        both = isinstance(entry, dict) and entry.keys() >= _BOTH
        model = ModelScore if both else self._chosen(_SCORES, entry, ("scores", name))
        found = self._model(model, entry, ("scores", name)) if model else None
        return found if isinstance(found, ExprScore | ModelScore) else None

    def _chosen(self, models: Mapping[str, type[_M]], entry: Any, path: Path) -> type[_M] | None:
        """Return the model that an entry's first word asks for."""
        if not isinstance(entry, dict):
            self._add(path, f"must be a mapping with one of {', '.join(models)}")
            return None
        given = [word for word in entry if word in models]
        if len(given) == 1:
            return models[given[0]]
        if given:
            self._add(path, f"has {' and '.join(given)}; only one of them is possible")
            return None
        words = [word for word in entry if instead(word, models).startswith("; did")]
        if words:
            self._add(path, f"unknown key {words[0]!r}{instead(words[0], models)}", at=(*path, words[0]))
        else:
            self._add(path, f"does not say what it computes; accepted: {', '.join(models)}")
        return None

    def _add(self, path: Path, message: str, *, at: Path | None = None) -> None:
        self._broken.add(path)
        self._problems.add(path, message, at=at)

    def _model(self, model: type[_M], entry: Any, path: Path) -> _M | None:
        if not isinstance(entry, dict):
            self._add(path, "must be a mapping")
            return None
        try:
            return model.model_validate(entry)
        except ValidationError as error:
            self._broken.add(path)
            report(error, model, path, self._problems)
            return None
