"""What a training set is: the card that goes with its rows, as JSON for programs and as text for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from driftline.errors import InputError

FORMAT: Final = 1  # of the folder; a reader refuses a later one


class Period(NamedTuple):
    """The rows of a week, named by its Monday, or of a month; in UTC.

    Attributes:
        begins: its first day.
        rows: how many there are.
        label_mean: of a classification, the share of the label 1.
    """

    begins: str
    rows: int
    label_mean: float


@dataclass(frozen=True, kw_only=True)
class Card:
    """A training set.

    Attributes:
        format: FORMAT.
        score, task, label: what is learned, as declared.
        feature_set, declaration: name and hash of the declarations.
        columns: the column of each feature of the score, by name, in the order of the model's input.
        feature_hashes: of their definitions.
        settings: those of the job that features depend on.
        source: where the events were from (training/lineage.py).
        sampling: which users are in (training/sampling.py).
        events: how many there were to choose from.
        users, rows, rows_at_ages: in the set; `rows_at_ages` are those at a time of silence.
        first_ms, last_ms: times of the first and the last moment.
        split: rows by part, and the time that parts them.
        label_mean, periods, by: the label's mean, and the same by week or month.
        left_out: what made no row, by cause.
        has_user_ids: whether rows name their users.
        data_sha256: hash of what the rows say (`lineage.data_hash`).
        rows_sha256: hash of the file.
        code_version, driftline: what made it.
        made_at_ms: wall-clock time, also the bound of what was from the future.
    """

    format: int
    score: str
    task: str
    label: Mapping[str, Any]
    feature_set: str
    declaration: str
    columns: Mapping[str, str]
    feature_hashes: Mapping[str, str]
    settings: Mapping[str, Any]
    source: Mapping[str, Any]
    sampling: Mapping[str, Any]
    events: int
    users: int
    rows: int
    rows_at_ages: int
    first_ms: int
    last_ms: int
    split: Mapping[str, int]
    label_mean: float
    by: str
    periods: tuple[Period, ...]
    left_out: Mapping[str, int]
    has_user_ids: bool
    data_sha256: str
    rows_sha256: str
    code_version: str
    driftline: str
    made_at_ms: int

    def as_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self) | {"periods": [one._asdict() for one in self.periods]}, indent=2) + "\n"

    @classmethod
    def parse(cls, text: str, where: str) -> Card:
        """Read a card.

        Raises:
            InputError: it is none, or of a later format.
        """
        try:
            document = json.loads(text)
            if document["format"] > FORMAT:
                message = f"{where}: made by a later release (format {document['format']}); this one reads {FORMAT}"
                raise InputError(message)
            periods = tuple(Period(**one) for one in document["periods"])
            known = {one.name: document[one.name] for one in fields(cls)}
            return cls(**known | {"periods": periods})
        except (ValueError, KeyError, TypeError) as error:
            message = f"{where}: not the card of a training set: {error!r}"
            raise InputError(message) from None

    def as_text(self) -> str:
        """Return it as Markdown."""
        return "\n".join([*self._head(), *self._numbers(), *self._periods(), *self._left_out(), *self._source()]) + "\n"

    def _head(self) -> list[str]:
        label = ", ".join(f"{name}: {value}" for name, value in self.label.items())
        return [
            f"# Training set of {self.score}",
            "",
            f"Rows for the {self.task} {self.score} of feature set {self.feature_set}. A row is a moment of a user: an",
            "event, or a time of silence (`age_s` above 0). The features are as of that moment, made by the code that",
            "serves them; the label looks at what came after it alone.",
            "",
            f"- label: {label}",
            f"- columns: user_hash,{' user_id,' if self.has_user_ids else ''} time_ms, age_s, label, split, and "
            f"{len(self.columns)} features: {', '.join(self.columns.values())}",
            "",
        ]

    def _numbers(self) -> list[str]:
        split, sampling = self.split, self.sampling
        bound = f", at most {sampling['rows_max']:,} rows" if sampling["rows_max"] else ""
        return [
            "| what | |",
            "|---|---|",
            f"| rows | {self.rows:,}, of which {self.rows_at_ages:,} at times of silence |",
            f"| users | {self.users:,} |",
            f"| moments | {_time(self.first_ms)} to {_time(self.last_ms)} |",
            f"| events read | {self.events:,} |",
            f"| mean of the label | {self.label_mean:.6g} |",
            f"| split | {split['train']:,} train, {split['test']:,} test, {split['neither']:,} in neither; test is a "
            f"fifth of the users from {_time(split['cut_ms'])} on |",
            f"| sample | {sampling['share']:.6g} of the users{bound}, seed {sampling['seed']} |",
            "",
        ]

    def _periods(self) -> list[str]:
        rows = [f"| {one.begins} | {one.rows:,} | {one.label_mean:.6g} |" for one in self.periods]
        return [f"| {self.by} | rows | mean of the label |", "|---|---|---|", *rows, ""]

    def _left_out(self) -> list[str]:
        if not self.left_out:
            return ["Nothing was left out.", ""]
        ranked = sorted(self.left_out.items(), key=lambda one: (-one[1], one[0]))
        return ["Left out:", "", *[f"- {number:,} {cause}" for cause, number in ranked], ""]

    def _source(self) -> list[str]:
        source = self.source
        if source["kind"] == "lake":
            dates = f", event dates {' to '.join(source['dates'])}" if any(source["dates"]) else ""
            ends = ", ".join(
                f"{partition}: {first} to {last}" for partition, (first, last) in source["offsets"].items()
            )
            origin = [f"- lake {source['url']}{dates}: {len(source['files']):,} files; offsets by partition: {ends}"]
        else:
            origin = [f"- {one['name']}, SHA-256 {one['sha256'] or 'not known'}" for one in source["files"]]
        settings = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        return [
            "From:",
            "",
            *origin,
            f"- declarations {self.declaration or 'not known'}, job settings {settings}",
            f"- made at {_time(self.made_at_ms)} by Driftline {self.driftline}, code {self.code_version}",
            f"- SHA-256 of rows.parquet {self.rows_sha256}, of what the rows say {self.data_sha256}",
        ]


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
