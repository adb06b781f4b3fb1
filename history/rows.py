"""Files by a mapping: rows of CSV, and JSON documents in the words of another product, as documents of the contract."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

from driftline.mapping.documents import DocumentMaker
from driftline.mapping.json_rows import json_rows_of
from driftline.mapping.spec import Mapping
from history.documents import DOCUMENT_BYTES_MAX, TOO_LONG, Document, FileError, Text, first_byte_of
from history.json_documents import documents_of

Row: TypeAlias = "Document | tuple[Document, ValueError] | None"


def rows_of(text: Text, mapping: Mapping, found: set[str]) -> Iterator[Row]:
    """The rows of a file as JSON documents.

    Yields a row as its document, with the error that keeps it from being one, or None where it is to be left out.

    Args:
        text: CSV, or JSON lines, objects or arrays: whichever it begins like.
        mapping: what makes documents of the rows.
        found: is filled with the columns that there were.

    Raises:
        FileError: the mapping names a column that the CSV file does not have, or the file cannot be read on.
    """
    first, text = first_byte_of(text)
    make_rows = _json_rows if first in (b"{", b"[") else _csv_rows
    yield from make_rows(text, mapping, found)


def _csv_rows(text: Text, mapping: Mapping, found: set[str]) -> Iterator[Row]:
    csv.field_size_limit(DOCUMENT_BYTES_MAX)
    reader = csv.reader(io.TextIOWrapper(text, encoding="utf-8", newline=""), delimiter=mapping.delimiter)
    try:
        header = next(reader, [])
        _check_header(header, mapping)
        found.update(header)
        maker = DocumentMaker(mapping)
        for cells in reader:
            if not any(cells):
                continue
            place = Document("line", reader.line_num, b"")
            if len(cells) != len(header):
                yield place, ValueError(f"has {len(cells)} cells; the first line has {len(header)}")
                continue
            yield _made(maker, place, dict(zip(header, cells, strict=True)), partial(list, cells))
    except UnicodeDecodeError:
        message = f"is not UTF-8 behind line {reader.line_num}; convert it, for example with iconv -f LATIN1 -t UTF-8"
        raise FileError(message) from None
    except csv.Error as error:
        message = f"is not CSV behind line {reader.line_num}: {error}"
        raise FileError(message) from None


def _check_header(header: list[str], mapping: Mapping) -> None:
    for column in mapping.names():
        if column not in header:
            message = f"has no column {column!r}, which the mapping names; it has: {', '.join(header)}"
            raise FileError(message)
        if header.count(column) > 1:
            message = f"has the column {column!r}, which the mapping names, more than once"
            raise FileError(message)


def _json_rows(text: Text, mapping: Mapping, found: set[str]) -> Iterator[Row]:
    maker, names = DocumentMaker(mapping), mapping.names()
    for document in documents_of(text):
        place = document._replace(data=b"")
        try:
            if len(document.data) > DOCUMENT_BYTES_MAX:
                raise ValueError(TOO_LONG)
            for row in json_rows_of(document.data, mapping, names):
                if isinstance(row, ValueError):
                    yield place, row
                    continue
                found.update(name for name, value in row.row.items() if value is not None)
                yield _made(maker, place, row.row, row.identity)
        except ValueError as error:
            yield place, error


def _made(maker: DocumentMaker, place: Document, row: dict[str, Any], identity: Callable[[], list[str]]) -> Row:
    try:
        document = maker.document(row, identity)
    except ValueError as error:
        return place, error
    return None if document is None else place._replace(data=json.dumps(document).encode())
