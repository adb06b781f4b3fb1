"""A file system of pyarrow's that calls before each change, so that a test can look, or have everything crash there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow.fs as pafs

Look = Callable[[str], object]


class _Watched(pafs.FileSystemHandler):  # type: ignore[misc]  # ships no types
    """Hands everything on to a local file system; `look` is told what is about to change."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.local = pafs.LocalFileSystem()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = None  # type: ignore[assignment]

    def get_type_name(self) -> str:
        return "watched"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        return list(self.local.get_file_info(paths))

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        return list(self.local.get_file_info(selector))

    def create_dir(self, path: str, recursive: bool) -> None:
        self.local.create_dir(path, recursive=recursive)

    def delete_dir(self, path: str) -> None:
        self.look("delete folder")
        self.local.delete_dir(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        raise NotImplementedError

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError

    def delete_file(self, path: str) -> None:
        self.look("delete")
        self.local.delete_file(path)

    def move(self, src: str, dest: str) -> None:
        self.look("move")
        self.local.move(src, dest)

    def copy_file(self, src: str, dest: str) -> None:
        raise NotImplementedError

    def open_input_stream(self, path: str) -> Any:
        return self.local.open_input_stream(path)

    def open_input_file(self, path: str) -> Any:
        return self.local.open_input_file(path)

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        self.look("write")
        stream = self.local.open_output_stream(path)
        self.look("written in part")
        return stream

    def open_append_stream(self, path: str, metadata: Any) -> Any:
        raise NotImplementedError


def watched_files(look: Look) -> pafs.FileSystem:
    """The local file system, watched."""
    return pafs.PyFileSystem(_Watched(look))


class Crash(Exception):  # noqa: N818  (it is what happens)
    """What a test has happen at a step."""


class CrashAt:
    """Raises Crash at the step of this number, from 0 on, and at every later one: nothing happens after a crash."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.steps = 0

    def __call__(self, _what: str) -> None:
        self.steps += 1
        if self.steps > self.step:
            raise Crash
