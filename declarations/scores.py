"""Scores, labels and segments as a plan has them."""

from __future__ import annotations

from typing import Any, Final

from declarations.canonical import content_hash, replaced, whole
from declarations.derived import Derived
from declarations.models import Project
from declarations.problems import Path, Problems, instead
from declarations.rows import Features
from declarations.score_models import ExprScore, Label, ModelScore, Segment
from declarations.selecting import Selector, Wanted
from driftline.estimators import ESTIMATORS, MONOTONIC
from driftline.limits import SEGMENTS_MAX

SCORES_MAX: Final = 50


class ScoreCompiler:
    """Makes a plan's scores and segments.

    Args:
        project: what is declared.
        derived: compiles expressions.
        selector: resolves the events of labels.
        features: of the plan, by position.
        problems: get what does not fit.
    """

    def __init__(
        self, project: Project, derived: Derived, selector: Selector, features: Features, problems: Problems
    ) -> None:
        self._project = project
        self._derived = derived
        self._selector = selector
        self._features = features
        self._problems = problems
        self._formulas: dict[str, Any] = {}  # of scores by formula, over ["ref", name]
        self._models = {name for name, score in project.scores.items() if isinstance(score, ModelScore)}

    def scores(self) -> list[dict[str, Any]]:
        """Return the entries of the plan's scores."""
        if len(self._project.scores) > SCORES_MAX:
            self._problems.add(("scores",), f"{len(self._project.scores)} scores; at most {SCORES_MAX}")
        entries = []
        folders: dict[str, str] = {}
        for name, score in self._project.scores.items():
            if name in self._derived.names:
                self._problems.add(("scores", name), f"{name!r} is the name of a feature, too; take another one")
            if isinstance(score, ExprScore):
                entries.append(self._formula(name, score.expr, score.doc))
                continue
            folder = score.folder or name
            if folder in folders:
                message = f"{folder!r} is the folder of {folders[folder]!r}, too"
                self._problems.add(("scores", name, "folder"), message)
            folders[folder] = name
            entries.append(self._learned(name, score, folder))
        return [entry for entry in entries if entry is not None]

    def segments(self) -> list[dict[str, Any]]:
        """Return the entries of the plan's segments; `scores` must have been called."""
        if len(self._project.segments) > SEGMENTS_MAX:
            self._problems.add(("segments",), f"{len(self._project.segments)} segments; at most {SEGMENTS_MAX}")
        entries = [self._segment(name, segment) for name, segment in self._project.segments.items()]
        return [entry for entry in entries if entry is not None]

    def _learned(self, name: str, score: ModelScore, folder: str) -> dict[str, Any] | None:
        """Return the entry of a score by a model; where it has a formula, too, the one of both."""
        made = self._model(name, score, folder)
        if score.expr is None:
            return made
        formula = self._formula(name, score.expr, score.doc)
        # A formula's hash stands for both: what a model adds is there once it is trained, which changes no plan.
        return None if made is None or formula is None else {**made, **formula}

    def _formula(self, name: str, expr: str, doc: str) -> dict[str, Any] | None:
        path: Path = ("scores", name)
        typed = self._derived.compiled(expr, path, "expr")
        if typed is None:
            return None
        if typed.type not in {"number", "bool"}:
            self._problems.add((*path, "expr"), f"a score is a number, and this is a {typed.type}")
            return None
        self._formulas[name] = typed.expr
        meaning = content_hash(self._features.meaning(typed.expr))
        return {"name": name, "expr": self._features.resolved(typed.expr), "doc": doc, "hash": meaning}

    def _model(self, name: str, score: ModelScore, folder: str) -> dict[str, Any] | None:
        positions = self._positions(name, score)
        made = self._label(("scores", name, "label"), score.label)
        monotonic = None if positions is None else self._monotonic(name, score, positions)
        if positions is None or made is None or monotonic is None:
            return None
        label, label_meaning = made
        hashes = [self._features.hashes[self._features.rows[position].name] for position in positions]
        estimator = score.estimator
        if estimator is not None and estimator.name not in ESTIMATORS[score.model]:
            message = f"{estimator.name!r} is no estimator for {score.model}"
            message += instead(estimator.name, ESTIMATORS[score.model])
            self._problems.add(("scores", name, "estimator"), message)
            return None
        model = {
            "task": score.model,
            "features": positions,
            "estimator": None if estimator is None else {"name": estimator.name, "params": dict(estimator.params)},
            **monotonic,
        }
        meaning = content_hash([score.model, hashes, label_meaning])
        entry = {"name": name, "model": model, "label": label, "folder": folder, "doc": score.doc}
        return {**entry, "hash": meaning}

    def _positions(self, name: str, score: ModelScore) -> list[int] | None:
        """Return the positions of a model's features; None if there was a problem."""
        vector = {row.name: i for i, row in enumerate(self._features.rows) if row.vector and _numeric(row.kind)}
        if not score.features:
            return list(vector.values())
        path: Path = ("scores", name)
        wrong = [(i, word) for i, word in enumerate(score.features) if word not in vector]
        for index, word in wrong:
            if ("features", word) in self._project.broken:
                continue
            message = f"{word!r} is not in the vector{instead(word, vector)}"
            self._problems.add((*path, "features", index), message)
        return None if wrong else [vector[word] for word in score.features]

    def _monotonic(self, name: str, score: ModelScore, positions: list[int]) -> dict[str, list[int]] | None:
        """Return what the score rises and falls with, positions of features; None if there was a problem."""
        known = {self._features.rows[position].name: position for position in positions}
        found: dict[str, list[int]] = {}
        for key, words in (("rises_with", score.rises_with), ("falls_with", score.falls_with)):
            path: Path = ("scores", name, key)
            if words is None:
                continue
            if score.estimator is not None and score.estimator.name not in MONOTONIC:
                able = ", ".join(sorted(MONOTONIC.intersection(ESTIMATORS[score.model])))
                self._problems.add(path, f"{score.estimator.name} cannot; {able} can")
                return None
            for word in words:
                if word not in known:
                    self._problems.add(path, f"{word!r} is none of the model's features{instead(word, known)}")
                    return None
            found[key] = [known[word] for word in words]
        return found

    def _label(self, path: Path, label: Label) -> tuple[dict[str, Any], Any] | None:
        """Return a label and what it means, which the numbers of types are no part of; None if there was a problem."""
        kind = "event" if label.event else "sum" if label.sum else "absence"
        if label.at_ages and not self._project.settings.ages_s:
            self._problems.add((*path, "at_ages"), "the project has no ages; give it some, or leave this out")
        events = label.event or label.absence_of or label.of
        word = "event" if label.event else "sum" if label.sum else "absence_of"
        wanted = Wanted(
            path=path,
            key=word,
            events=events,
            where=label.where,
            value=label.sum,
            kinds=("number", "money", "bool"),
        )
        taken = self._selector.take(wanted)
        if taken is None:
            return None
        on = taken.selection.on
        first = on[0]
        for key in ("where", "value"):
            if any(entry[key] != first[key] for entry in on):
                message = "it is not the same of all these events; name one event only"
                self._problems.add((*path, key if key == "where" else word), message)
                return None
        entry = {
            "kind": kind,
            "types": [each["type"] for each in on],
            "where": first["where"],
            "at_ages": label.absence_of is not None if label.at_ages is None else label.at_ages,
        }
        if kind == "sum":
            entry["value"] = first["value"]
        meaning = [kind, dict(taken.selection.meaning), label.within]
        return {**entry, "within_ms": label.within}, meaning

    def _segment(self, name: str, segment: Segment) -> dict[str, Any] | None:
        path: Path = ("segments", name)
        word = "enter" if segment.enter else "when"
        enter = self._condition(segment.enter or segment.when or "", path, word)
        leave = self._condition(segment.leave, path, "leave") if segment.leave else None
        if enter is None or (segment.leave and leave is None):
            return None
        models = enter[1] | (leave[1] if leave else frozenset())
        if models and (segment.leave or segment.min_stay):
            option = "leave" if segment.leave else "min_stay"
            message = f"a segment over the score of a model ({', '.join(sorted(models))}) has none"
            self._problems.add((*path, option), message)
            return None
        expressions = [enter[0], leave[0] if leave else None]
        meaning = [[self._features.meaning_at_ages(expr) for expr in expressions], segment.min_stay or 0]
        return {
            "name": name,
            "hash": content_hash(meaning),
            "enter": self._features.resolved(expressions[0]),
            "leave": self._features.resolved(expressions[1]),
            "min_stay_ms": whole(segment.min_stay or 0),
            "on_models": bool(models),
            "doc": segment.doc,
        }

    def _condition(self, text: str, path: Path, word: str) -> tuple[Any, frozenset[str]] | None:
        """Return a condition over features and scores of models, and those scores; None if there was a problem."""
        typed = self._derived.compiled(text, path, word, self._project.scores)
        if typed is None or any(name not in self._formulas for name in typed.uses & self._formula_names()):
            return None
        if typed.type != "bool":
            self._problems.add((*path, word), f"must be true or false, and is a {typed.type}")
            return None
        # Formulas are put in: membership is decided after each event, where there are no scores yet.
        expr = replaced(typed.expr, "score", self._inlined)
        return expr, typed.uses & self._models

    def _formula_names(self) -> frozenset[str]:
        return frozenset(self._project.scores) - self._models

    def _inlined(self, score: list[Any]) -> Any:
        if score[1] in self._models:
            return score
        formula = self._formulas[score[1]]
        return ["coalesce", formula, 0.0]  # a score that has no value is served as 0, and means it here


def _numeric(kind: str) -> bool:
    return kind in {"number", "bool"}
