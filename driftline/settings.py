"""What all settings have in common: where they are read from, and errors that say what to do."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, ClassVar, Literal

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from driftline.errors import SettingError

Format = Literal["protobuf", "json"]
IsolationLevel = Literal["read_committed", "read_uncommitted"]

_SIMILAR = 0.6  # at least this alike (1: equal), a known name is suggested instead of an unknown one
_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)")  # made for a service of our name


class Settings(BaseSettings):
    """Frozen, documented settings whose errors name the setting and what it accepts, but show no secret."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)
    _shown_as: ClassVar[str] = "{name}"

    @classmethod
    def load(cls, **given: Any) -> Any:
        """Read the settings from `given` and the environment.

        Raises SettingError on the first bad one, also for a variable that was meant to be one and is none.
        """
        for variable in sorted(map(str.upper, os.environ)):
            if not _OF_KUBERNETES.search(variable):
                cls._check_variable(variable)
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingError(cls._explain(error)) from None

    @classmethod
    def prefix(cls) -> str:
        """What the environment variables of these settings begin with."""
        return cls.model_config["env_prefix"]

    def as_environment(self, *, only_given: bool = False) -> dict[str, str]:
        """The variables that another process reads these settings from; a secret belongs there, not in its arguments.

        `only_given` leaves out what has its default.
        """
        values = self.model_dump(exclude_unset=only_given)
        return {f"{self.prefix()}{name.upper()}": _text(value) for name, value in values.items() if value is not None}

    @classmethod
    def _check_variable(cls, variable: str) -> None:
        """Raise SettingError for a variable that has the prefix of these settings and is none of them."""
        name = variable.removeprefix(cls.prefix())
        known = [field.upper() for field in cls.model_fields]
        if name != variable and name not in known:
            raise SettingError(unknown("variable", name, known, prefix=cls.prefix()))

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        problems = error.errors()
        # What is not known says more than what is missing: it may be that, misspelt.
        problem = next((found for found in problems if found["type"] == "extra_forbidden"), problems[0])
        if not problem["loc"]:
            return str(problem["ctx"]["error"]) if "ctx" in problem else problem["msg"]
        name = str(problem["loc"][0])
        if problem["type"] == "extra_forbidden":
            return unknown("setting", name, cls.model_fields)
        shown = cls._shown_as.format(name=name, upper=name.upper())
        field = cls.model_fields[name]
        if problem["type"] == "missing":  # its input is everything that was given, with the secrets in it
            return f"{shown} is missing ({field.description or ''})"
        found = "" if field.annotation is SecretStr else f", not {problem['input']!r}"
        return f"{shown}: {problem['msg'].removeprefix('Value error, ')}{found} ({field.description or ''})"


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict | list | tuple) else str(value)


def nearest(name: str, known: Iterable[str], alike: float = _SIMILAR) -> str | None:
    """The known name that is most like this one, if one is `alike` at all: 1 stands for equal."""
    return next(iter(get_close_matches(name, known, n=1, cutoff=alike)), None)


def unknown(what: str, name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """What to say of a name that is not among the known ones."""
    names = list(known)
    parts_of = [known_name for known_name in names if f"_{name}_" in f"_{known_name}_"]  # CA of CA_FILE
    if (meant := nearest(name, parts_of or names, 0 if parts_of else _SIMILAR)) is not None:
        return f"unknown {what} {prefix + name!r}; did you mean {prefix}{meant}?"
    return f"unknown {what} {prefix + name!r}; known are: {', '.join(prefix + known_name for known_name in names)}"
