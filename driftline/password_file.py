"""Passwords in files, which settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from driftline.errors import SettingError

PASSWORD_BYTES_MAX: Final = 4_096


def password_in(file: Path, setting: str) -> str:
    """Return the password in a file, without the end of its line.

    Args:
        file: where it is.
        setting: the name of the setting that names the file, for errors.

    Raises:
        SettingError: the file cannot be read, or is no text.
    """
    try:
        with file.open("rb") as opened:
            return opened.read(PASSWORD_BYTES_MAX).decode().rstrip("\r\n")
    except OSError as error:
        message = f"{setting} {file}: {error.strerror}"
        raise SettingError(message) from None
    except UnicodeDecodeError:
        message = f"{setting} {file}: expected UTF-8 text"
        raise SettingError(message) from None
