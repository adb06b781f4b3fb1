"""Prints the rows of an answer: a table for people, CSV or JSON lines for programs."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from console.lake.sql import Answer

_PIPE_WIDTH = 200  # columns where the output is not a terminal, so that little wraps


def print_rows(rows: Answer, form: str, *, limit: int) -> None:
    """Print rows as they come.

    Args:
        rows: of the answer.
        form: csv, json, or empty for a table.
        limit: of a table: how many rows are shown.
    """
    try:
        if form == "csv":
            _print_csv(rows)
        elif form == "json":
            for row in _rows(rows):
                print(json.dumps(dict(zip(rows.schema.names, map(_plain, row), strict=True)), ensure_ascii=False))
        else:
            _print_table(rows, limit)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def _rows(rows: Answer) -> Iterator[tuple[Any, ...]]:
    for batch in rows.batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _print_csv(rows: Answer) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows.schema.names)
    for row in _rows(rows):
        writer.writerow([_cell(value) for value in row])


def _print_table(rows: Answer, limit: int) -> None:
    table = Table(box=None, pad_edge=False)
    for field in rows.schema:
        table.add_column(escape(field.name), justify="right" if _is_number(str(field.type)) else "left")
    count = 0
    for row in _rows(rows):
        count += 1
        if count > limit:
            break
        table.add_row(*(escape(_cell(value)) for value in row))
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)
    console.print(table)
    if count > limit:
        typer.echo(f"the first {limit:,} rows; --csv and --json print all", err=True)


def _is_number(type_name: str) -> bool:
    return type_name.startswith(("int", "uint", "float", "double", "decimal"))


def _cell(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """A value as JSON has it: a map is an object, and times are in ISO 8601."""
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list):
        if value and all(isinstance(one, tuple) and len(one) == 2 for one in value):  # noqa: PLR2004  (a map)
            return {str(key): _plain(one) for key, one in value}
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _text(value: bytes) -> str:
    """Bytes as text where they are UTF-8 without control characters, else in hexadecimal."""
    text = value.decode(errors="replace")
    return text if text.isprintable() and "\ufffd" not in text else value.hex()
