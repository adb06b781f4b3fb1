"""Redis URLs as settings: checked without being shown, and completed by a password from a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, SecretStr

from driftline.password_file import password_in

HIDDEN = "..."
ENCODE = "in user and password / ? # @ are written %2F %3F %23 %40"

_HOST = r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])?(?::\d+)?"
_SHOWABLE = re.compile(rf"{_HOST}(?:,{_HOST})*(?:/[\w./-]*)?", re.ASCII)
_URL = re.compile(r"(?P<scheme>[a-z][a-z+]*://)(?:(?P<login>[^@/?#]*(?:@[^@/?#]*)*)@)?(?P<rest>[^@]*)", re.DOTALL)


def without_password(url: str) -> str:
    """The URL as it may be shown: no user, password or query, and nothing that may be a part of them."""
    scheme, separator, rest = url.partition("://")
    shown = re.split(r"[?#]", rest.rpartition("@")[2])[0]
    if not separator or not _SHOWABLE.fullmatch(shown):
        return f"{scheme}://{HIDDEN}" if separator and scheme.replace("+", "").isalpha() else HIDDEN
    return f"{scheme}://{shown}"


def why_not(url: str, error: Exception) -> str:
    """What to say of a URL that a parser does not accept: its own words may quote the password."""
    return str(error) if "@" not in url and HIDDEN not in without_password(url) else f"it is not a Redis URL; {ENCODE}"


def with_password(url: str, file: Path | None) -> str:
    """The URL to connect with. Raises SettingError where the file cannot be read."""
    found = _URL.fullmatch(url)
    if file is None or found is None:
        return url
    password = password_in(file, "redis_password_file")
    return f"{found['scheme']}{found['login'] or ''}:{quote(password, safe='')}@{found['rest']}"


def check_login(url: SecretStr, file: Path | None) -> None:
    """Raise ValueError where both the URL and a file have a password."""
    found = _URL.fullmatch(url.get_secret_value())
    if file is not None and found and ":" in (found["login"] or ""):
        message = "redis_url has a password and redis_password_file is set; give one of them"
        raise ValueError(message)


def _checked(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if text and (HIDDEN in without_password(text) or not _URL.fullmatch(text)):
        message = f"expected redis://[user:password@]host[:port][/db]; {ENCODE}"
        raise ValueError(message)
    return url


RedisUrl = Annotated[SecretStr, AfterValidator(_checked)]
