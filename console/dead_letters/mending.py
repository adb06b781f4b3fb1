"""How a dead letter becomes events again: as it is, by a mapping, or by a function of the user's own."""

from __future__ import annotations

import importlib.util
import io
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from console.dead_letters.records import DeadLetter
from driftline.errors import InputError, SettingError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import parse_event
from driftline.mapping.spec import Mapping
from history.documents import Document, FileError, first_byte_of, text_of
from history.rows import rows_of

Mended: TypeAlias = "bytes | UserEvent"
Mend: TypeAlias = Callable[[DeadLetter], Sequence[Mended]]
"""Returns the events of a dead letter, none if it is to be skipped. Raises MendError."""

_MODULE = "driftline_transform"  # a name that nothing else imports


class MendError(Exception):
    """A dead letter cannot be made an event; the message is the cause, with nothing of the payload in it."""


def as_it_is(letter: DeadLetter) -> Sequence[Mended]:
    """Return the bytes as they came. Raises MendError if there are none."""
    if letter.value is None:
        message = "has no value: a tombstone is no event"
        raise MendError(message)
    return [letter.value]


def by_mapping(mapping: Mapping) -> Mend:
    """Return what reads JSON values by a mapping of `driftline publish`."""

    def mend(letter: DeadLetter) -> Sequence[Mended]:
        if letter.value is None:
            message = "has no value that a mapping could read"
            raise MendError(message)
        try:
            return _read(letter.value, mapping)
        except (FileError, ValueError) as error:
            message = f"by the mapping: {error}"
            raise MendError(message) from None

    return mend


def _read(value: bytes, mapping: Mapping) -> list[Mended]:
    first, text = first_byte_of(text_of(io.BytesIO(value)))
    if first not in (b"{", b"["):  # CSV needs its first line, and an error about that would quote the payload
        message = "the value is not JSON"
        raise ValueError(message)
    events: list[Mended] = []
    for row in rows_of(text, mapping, set()):
        if isinstance(row, Document):
            events.append(parse_event(row.data))
        elif row is not None:
            raise row[1]
    return events


def by_function(named: str) -> Mend:
    """Return what calls the user's function, given as FILE.py:FUNCTION. The file is run in this process.

    Raises:
        SettingError: the argument has another form.
        InputError: the file cannot be run, or has no such function.
    """
    file, colon, name = named.rpartition(":")
    if not colon or not file.endswith(".py") or not name.isidentifier():
        message = f"--transform must be FILE.py:FUNCTION such as mend.py:mend, not {named!r}"
        raise SettingError(message)
    function = getattr(_run(Path(file)), name, None)
    if not callable(function):
        message = f"--transform {named}: {file} has no function {name}"
        raise InputError(message)
    return _calling(function, name, file)


def _run(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None or not path.is_file():
        message = f"--transform {path}: no such file"
        raise InputError(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses look for their module there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises
        message = f"--transform {path} cannot be run: {type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(message) from None
    return module


def _calling(function: Callable[[DeadLetter], Any], name: str, file: str) -> Mend:
    def mend(letter: DeadLetter) -> Sequence[Mended]:
        try:
            result = function(letter)
        except Exception as error:  # the user's code: counted with its place, and the run goes on
            raised = type(error).__name__
            message = f"{name} raised {raised} in line {_line_in(file, error)} of {Path(file).name}"
            raise MendError(message) from None
        if result is None:
            return ()
        if not isinstance(result, (bytes, UserEvent)):
            message = f"{name} returned {type(result).__name__}, not bytes, UserEvent or None"
            raise MendError(message)
        return [result]

    return mend


def _line_in(file: str, error: Exception) -> int:
    """The last line of the user's file that the error passed; its text is not shown, for it may quote the payload."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno or 0 for frame in frames if Path(frame.filename).name == Path(file).name]
    return lines[-1] if lines else 0
