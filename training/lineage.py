"""What a model or a training set was made of: where the events were from, and which rows they made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from driftline import __version__
from driftline.errors import InputError
from history.lake.reading import Lake
from history.reading import STDIN
from training.examples import Examples
from training.learned_score import LearnedScore
from training.model import selected

_ROWS_AT_A_TIME: Final = 100_000
_FILES_LISTED_MAX: Final = 20  # in a model's manifest; a card has them all
_BYTES_AT_A_TIME: Final = 1 << 20


def data_hash(examples: Examples, learned: LearnedScore) -> str:
    """Return the hash of the rows that a model learns from: the same rows have the same one, wherever they were kept.

    SHA-256 over the names of the features, and users, times, ages, labels and features of the rows, in their order.
    """
    digest = hashlib.sha256("\0".join([learned.score.name, *learned.names]).encode())
    for start in range(0, len(examples), _ROWS_AT_A_TIME):
        rows = slice(start, start + _ROWS_AT_A_TIME)
        for column in (examples.user_hashes, examples.times_ms, examples.ages_s, examples.labels):
            digest.update(np.ascontiguousarray(column[rows]).tobytes())
        digest.update(np.ascontiguousarray(selected(examples.vectors[rows], learned)).tobytes())
    return digest.hexdigest()


def files_source(files: Sequence[Path]) -> dict[str, Any]:
    """Say which files the events are from, with their hashes; those of the standard input and of pipes are not known.

    Raises:
        InputError: a file cannot be read.
    """
    return {"kind": "files", "files": [_file(file) for file in files]}


def _file(file: Path) -> dict[str, Any]:
    if file == STDIN or not file.is_file():
        return {"name": str(file), "sha256": None}
    digest, size = hashlib.sha256(), 0
    try:
        with file.open("rb") as source:
            while part := source.read(_BYTES_AT_A_TIME):
                digest.update(part)
                size += len(part)
    except OSError as error:
        message = f"{file}: {error.strerror or error}"
        raise InputError(message) from None
    return {"name": file.name, "bytes": size, "sha256": digest.hexdigest()}


def lake_source(lake: Lake, url: str, dates: Sequence[str]) -> dict[str, Any]:
    """Say which records of a lake the events are from: its files, with the offsets that each has of each partition.

    Args:
        lake: that was read.
        url: where it is.
        dates: the first and the last event date that were read; empty: all.
    """
    files = [_lake_file(lake, path) for path in sorted(lake.files())]
    ends: dict[str, list[int]] = {}
    for file in files:
        for partition, (first, last) in file["offsets"].items():
            known = ends.setdefault(partition, [first, last])
            ends[partition] = [min(known[0], first), max(known[1], last)]
    offsets = dict(sorted(ends.items(), key=lambda one: int(one[0])))
    return {"kind": "lake", "url": url, "dates": list(dates), "offsets": offsets, "files": files}


def _lake_file(lake: Lake, path: str) -> dict[str, Any]:
    """Return what the statistics of a file's row groups say; groups of several partitions are read."""
    file = pq.ParquetFile(lake.location.files.open_input_file(path))
    offsets: dict[str, list[int]] = {}
    for number in range(file.num_row_groups):
        table = file.read_row_group(number, columns=["partition", "offset"])
        partitions, found = table.column("partition").to_numpy(), table.column("offset").to_numpy()
        for partition in np.unique(partitions):
            of_it = found[partitions == partition]
            first, last = int(of_it.min()), int(of_it.max())
            known = offsets.setdefault(str(partition), [first, last])
            offsets[str(partition)] = [min(known[0], first), max(known[1], last)]
    name = path.removeprefix(lake.location.path).lstrip("/")
    return {"name": name, "rows": file.metadata.num_rows, "offsets": offsets}


def lineage_of(
    examples: Examples,
    learned: LearnedScore,
    source: Mapping[str, Any],
    *,
    code: str,
    settings: dict[str, Any],
    training_set: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what a model's manifest says of where it is from.

    Args:
        examples: the rows.
        learned: the score.
        source: of the events, as `files_source` and `lake_source` have it.
        code: version of the code that made the model.
        settings: those of the job that features depend on.
        training_set: of a model that was made of a training set, what its card says of it.
    """
    return {
        "data_sha256": data_hash(examples, learned),
        "rows": len(examples),
        "users": len(np.unique(examples.user_hashes)),
        "first_ms": int(examples.times_ms.min()),
        "last_ms": int(examples.times_ms.max()),
        "source": _short(source),
        "training_set": training_set,
        "settings": settings,
        "code_version": code,
        "driftline": __version__,
    }


def _short(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return a source with so many files as a manifest has room for; of more, their number and the hash of the list."""
    files = source.get("files", [])
    if len(files) <= _FILES_LISTED_MAX:
        return dict(source)
    listed = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return {name: value for name, value in source.items() if name != "files"} | {
        "files_number": len(files),
        "files_sha256": listed,
    }
