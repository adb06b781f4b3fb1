"""`driftline serve`: what its flags become."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import serving.server
from console.cli import scores
from serving.settings import ServeSettings


def test_every_flag_is_a_setting_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(scores, "serve_settings", lambda flags, _stack: given.update(flags))
    monkeypatch.setattr(serving.server, "serve", lambda _settings: None)
    flags: dict[str, Any] = {name: f"value of {name}" for name in inspect.signature(scores.serve).parameters}
    scores.serve(**flags)
    assert given == flags
    assert flags.keys() <= ServeSettings.model_fields.keys()


def test_a_flag_that_is_not_given_leaves_the_environment_its_say(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr(scores, "serve_settings", lambda flags, _stack: given.append(flags))
    monkeypatch.setattr(serving.server, "serve", lambda _settings: None)
    scores.serve()
    assert given == [{}]
