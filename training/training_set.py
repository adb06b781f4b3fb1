"""Training sets: the examples of a score as Parquet, with a card.

    <folder>/
      rows.parquet   a row a moment, sorted by user and time, in row groups
      card.json      what they are (training/card.py)
      card.md        the same, for people

The same examples give the same bytes of rows.parquet. A model that is trained on it is the one that is trained on the
examples themselves.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from driftline import __version__
from driftline.errors import InputError
from driftline.units import DAY_MS
from history.lake.layout import ROW_GROUP_ROWS
from training.card import FORMAT, Card, Period
from training.examples import Examples
from training.histories import LeftOut
from training.learned_score import LearnedScore
from training.lineage import data_hash
from training.model import parted

ROWS, CARD, CARD_TEXT = "rows.parquet", "card.json", "card.md"
TRAIN, TEST, NEITHER = "train", "test", "neither"
_OWN: Final = ("user_hash", "user_id", "time_ms", "age_s", "label", "split")  # columns beside features
_WEEKS_MAX: Final = 26  # beyond it the card tells months
_BYTES_AT_A_TIME: Final = 1 << 20


class Origin(NamedTuple):
    """What a card tells beside the rows.

    Attributes:
        label: of the score, as the plan has it.
        settings: those of the job that features depend on.
        source, sampling: as the card has them.
        events: that there were.
        code: version of the code that made the rows.
        now_ms: wall-clock time.
    """

    label: Mapping[str, Any]
    settings: Mapping[str, Any]
    source: Mapping[str, Any]
    sampling: Mapping[str, Any]
    events: int
    code: str
    now_ms: int


class Loaded(NamedTuple):
    """A training set that was read: its card, and its examples."""

    card: Card
    examples: Examples


def columns_of(names: Sequence[str]) -> dict[str, str]:
    """Return the column of each feature: its name, unless a column of the set's own is called so."""
    columns: dict[str, str] = {}
    taken = {*_OWN, *names}
    for name in names:
        column = name
        while column in _OWN or (column != name and column in taken):
            column = f"feature_{column}"
        columns[name] = column
        taken.add(column)
    return columns


def write_set(
    folder: Path, examples: Examples, learned: LearnedScore, origin: Origin, user_ids: Mapping[int, str] | None = None
) -> Card:
    """Write a training set, whole or not at all, and return its card.

    Args:
        folder: where; it may exist, empty.
        examples: the rows.
        learned: the score.
        origin: what the card tells beside them.
        user_ids: the users by the hash of their ids, to name them in the rows; None: the hash alone.

    Raises:
        InputError: the folder holds something, or cannot be written; there are no examples.
    """
    require_free(folder)
    train, test, cut_ms = parted(examples, learned)
    draft = folder.absolute().parent / f".{folder.absolute().name}.{os.getpid()}"
    try:
        draft.mkdir(parents=True, exist_ok=True)
        _write_rows(draft / ROWS, examples, learned, (train, test), user_ids)
        card = _card(
            examples,
            learned,
            origin,
            (train, test, cut_ms),
            rows_sha256=_hash_of(draft / ROWS),
            has_user_ids=user_ids is not None,
        )
        (draft / CARD).write_text(card.as_json())
        (draft / CARD_TEXT).write_text(card.as_text())
        if folder.is_dir():
            folder.rmdir()
        draft.rename(folder)
    except OSError as error:
        message = f"{folder}: {error.strerror or error}"
        raise InputError(message) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return card


def require_free(folder: Path) -> None:
    """Raise InputError where a folder is there that holds something."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        message = f"{folder} is there already; name a new folder, or remove it"
        raise InputError(message)


def read_set(folder: Path, learned: LearnedScore, settings: Mapping[str, Any]) -> Loaded:
    """Read a training set of a score.

    Args:
        folder: of the set.
        learned: the score that is to be learned.
        settings: those of the job that will score that features depend on.

    Raises:
        InputError: it is no training set, or is damaged; it is of another score, other declarations or settings.
    """
    try:
        card = Card.parse((folder / CARD).read_text(), str(folder / CARD))
        _require_fit(card, folder, learned, settings)
        if _hash_of(folder / ROWS) != card.rows_sha256:
            message = f"{folder / ROWS}: its content does not match the hash in {CARD}"
            raise InputError(message)
        examples = _read_rows(folder / ROWS, card, learned)
    except OSError as error:
        message = f"{folder}: not a training set of `driftline training-set`: {error.strerror or error}"
        raise InputError(message) from None
    return Loaded(card, examples)


def _require_fit(card: Card, folder: Path, learned: LearnedScore, settings: Mapping[str, Any]) -> None:
    """Raise InputError for a set of another score, of other declarations, or of other settings."""
    again = f"; make one with `driftline training-set {learned.score.name}`"
    if card.score != learned.score.name:
        message = f"training set {folder} is for score {card.score}, not for {learned.score.name}{again}"
        raise InputError(message)
    if card.declaration != learned.feature_set.hash or tuple(card.columns) != learned.names:
        message = (
            f"training set {folder} was made by other declarations ({card.feature_set}, {card.declaration}) than these "
            f"({learned.feature_set.name}, {learned.feature_set.hash}){again}"
        )
        raise InputError(message)
    for name, value in settings.items():
        made_with = card.settings.get(name, value)
        if made_with != value:
            message = f"training set {folder} was made with {name}={made_with}, the job has {name}={value}{again}"
            raise InputError(message)


def _write_rows(
    file: Path,
    examples: Examples,
    learned: LearnedScore,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    user_ids: Mapping[int, str] | None,
) -> None:
    schema = _schema(learned, with_ids=user_ids is not None)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for start in range(0, len(examples), ROW_GROUP_ROWS):
            rows = slice(start, start + ROW_GROUP_ROWS)
            columns = list(_columns(examples, learned, masks, user_ids, rows))
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=ROW_GROUP_ROWS)


def _schema(learned: LearnedScore, *, with_ids: bool) -> pa.Schema:
    ids = [("user_id", pa.string())] if with_ids else []
    own = [("time_ms", pa.int64()), ("age_s", pa.int64()), ("label", pa.float64()), ("split", pa.string())]
    features = [(column, pa.float32()) for column in columns_of(learned.names).values()]
    return pa.schema([pa.field(*one, nullable=False) for one in [("user_hash", pa.uint64()), *ids, *own, *features]])


def _columns(
    examples: Examples,
    learned: LearnedScore,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    user_ids: Mapping[int, str] | None,
    rows: slice,
) -> Iterator[pa.Array]:
    """Yield the columns of some rows, in the order of the schema."""
    hashes = examples.user_hashes[rows]
    yield pa.array(hashes)
    if user_ids is not None:
        yield pa.array([user_ids[one] for one in hashes.tolist()])
    yield pa.array(examples.times_ms[rows])
    yield pa.array(examples.ages_s[rows])
    yield pa.array(examples.labels[rows])
    train, test = masks
    yield pa.array(np.where(train[rows], TRAIN, np.where(test[rows], TEST, NEITHER)))
    vectors = examples.vectors[rows]
    for column in learned.columns:
        yield pa.array(np.ascontiguousarray(vectors[:, column]))


def _read_rows(file: Path, card: Card, learned: LearnedScore) -> Examples:
    """Return the examples; of whole vectors those columns are 0 that the score's model does not read."""
    left_out = LeftOut()
    left_out.counts.update(card.left_out)
    with pq.ParquetFile(file) as source:
        number = source.metadata.num_rows
        vectors = np.zeros((number, len(learned.feature_set.features)), np.float32)
        own: dict[str, list[NDArray[Any]]] = {name: [] for name in ("user_hash", "time_ms", "age_s", "label")}
        start = 0
        for batch in source.iter_batches(ROW_GROUP_ROWS):
            end = start + batch.num_rows
            for name, pieces in own.items():
                pieces.append(batch.column(name).to_numpy())
            for position, column in zip(learned.columns, card.columns.values(), strict=True):
                vectors[start:end, position] = batch.column(column).to_numpy()
            start = end
    whole = {name: np.concatenate(found) for name, found in own.items()}
    return Examples(vectors, whole["label"], whole["time_ms"], whole["user_hash"], left_out, ages_s=whole["age_s"])


def _card(
    examples: Examples,
    learned: LearnedScore,
    origin: Origin,
    split: tuple[NDArray[np.bool_], NDArray[np.bool_], int],
    *,
    rows_sha256: str,
    has_user_ids: bool,
) -> Card:
    train, test, cut_ms = split
    in_train, in_test = int(train.sum()), int(test.sum())
    by, periods = _periods(examples)
    features = learned.feature_set.features
    return Card(
        format=FORMAT,
        score=learned.score.name,
        task=learned.score.task,
        label=origin.label,
        feature_set=learned.feature_set.name,
        declaration=learned.feature_set.hash,
        columns=columns_of(learned.names),
        feature_hashes={features[position].name: features[position].hash for position in learned.columns},
        settings=origin.settings,
        source=origin.source,
        sampling=origin.sampling,
        events=origin.events,
        users=len(np.unique(examples.user_hashes)),
        rows=len(examples),
        rows_at_ages=int((examples.ages_s > 0).sum()),
        first_ms=int(examples.times_ms.min()),
        last_ms=int(examples.times_ms.max()),
        split={
            TRAIN: in_train,
            TEST: in_test,
            NEITHER: len(examples) - in_train - in_test,
            "cut_ms": cut_ms,
        },
        label_mean=float(examples.labels.mean()),
        by=by,
        periods=periods,
        left_out=dict(sorted(examples.left_out.counts.items())),
        has_user_ids=has_user_ids,
        data_sha256=data_hash(examples, learned),
        rows_sha256=rows_sha256,
        code_version=origin.code,
        driftline=__version__,
        made_at_ms=origin.now_ms,
    )


def _periods(examples: Examples) -> tuple[str, tuple[Period, ...]]:
    """Return rows and label by week, of a long history by month."""
    span_ms = int(examples.times_ms.max() - examples.times_ms.min())
    by = "week" if span_ms <= _WEEKS_MAX * 7 * DAY_MS else "month"
    days, at = np.unique(examples.times_ms // DAY_MS, return_inverse=True)
    begins = [_begin_of(int(day), by) for day in days]
    names = sorted(set(begins))
    position = np.array([names.index(one) for one in begins])[at]
    rows = np.bincount(position, minlength=len(names))
    sums = np.bincount(position, weights=examples.labels, minlength=len(names))
    found = zip(names, rows.tolist(), (sums / rows).tolist(), strict=True)
    return by, tuple(Period(*one) for one in found)


def _begin_of(day: int, by: str) -> str:
    date = datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date()
    return str(date - timedelta(days=date.weekday()) if by == "week" else date.replace(day=1))


def _hash_of(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while part := source.read(_BYTES_AT_A_TIME):
            digest.update(part)
    return digest.hexdigest()
