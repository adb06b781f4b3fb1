"""What a job's settings name in files, the declarations and the mapping: compiled once, sent to its tasks as data.

A TaskManager sees none of these files. A bundle travels with the operator, and a task binds it: makes the objects that
it folds and reads with.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final, NamedTuple

from driftline.mapping.spec import Mapping, given_in
from driftline.values.avro import AvroSchema
from driftline.values.reading import Schemas, ValueReader, value_reader
from jobs.event_settings import EventSettings
from jobs.plans import bind_plan, compile_plan, plan_for
from jobs.replay_settings import users_in
from jobs.schema_registry import SchemaRegistry
from jobs.settings import ScoreEventsSettings
from udfs.plan.plan import Plan

NO_MAPPING: Final = "none"  # stands for the hash where there is no mapping
_HASH_DIGITS: Final = 12


class Bundle(NamedTuple):  # pickled with the operator, which a compiled class could not be
    """What a job was submitted with.

    Attributes:
        plan: the plan of the declarations, as JSON.
        mapping: what the mapping's file says, as JSON; empty without one.
        only_users: whose records count; None: everybody's.
    """

    plan: str
    mapping: str = ""
    only_users: tuple[str, ...] | None = None


class Bound(NamedTuple):
    """A bundle made ready for one thread.

    Attributes:
        plan: of the declarations.
        values: reads the values of the input topic; None for plain ones.
        mapping_hash: of what the mapping says; comments and blanks do not count.
        only_keys: the keys of the records that count; None: all do.
    """

    plan: Plan
    values: ValueReader | None = None
    mapping_hash: str = NO_MAPPING
    only_keys: frozenset[bytes] | None = None


def bundle_of(settings: ScoreEventsSettings) -> Bundle:
    """Return the bundle of the settings, whose files are read now.

    Raises:
        DeclarationError: the declarations are wrong; each of its lines names a file, a line and what to do.
        InputError: the mapping cannot be read or used, or the file of only_users cannot.
    """
    return input_bundle_of(settings)._replace(only_users=_only_users(settings))


def input_bundle_of(settings: EventSettings) -> Bundle:
    """Return the bundle of a job that decodes events and does not fold them. Raises as `bundle_of`."""
    return Bundle(compile_plan(settings), compile_mapping(settings))


def _only_users(settings: ScoreEventsSettings) -> tuple[str, ...] | None:
    return None if settings.only_users is None else users_in(settings.only_users)


def compile_mapping(settings: EventSettings) -> str:
    """Return what the mapping of the settings says, as JSON; empty without one. Raises InputError as `bundle_of`."""
    file = settings.events_mapping
    return "" if file is None else json.dumps(given_in(file, "events_mapping"))


def bind(bundle: Bundle, settings: ScoreEventsSettings) -> Bound:
    """Return a bundle ready for a task's own thread. Raises SettingError where no schema registry can be asked."""
    plan = bind_plan(bundle.plan, settings)
    return _bound(plan, bundle.mapping, settings, _schemas_of(settings), bundle.only_users)


def bind_values(bundle: Bundle, settings: EventSettings) -> ValueReader | None:
    """Return what reads the values of the input topic, None for plain ones. Raises as `bind`."""
    return _values(bundle.mapping, settings, _schemas_of(settings))


def bound_for(settings: ScoreEventsSettings) -> Bound:
    """Return what the files of the settings say now, for use on one thread, with the process's plan.

    A schema registry is not connected to before a value of Avro is read: most commands read none.
    """
    mapping, only_users = compile_mapping(settings), _only_users(settings)
    return _bound(plan_for(settings), mapping, settings, _WhenAsked(settings), only_users)


def _bound(
    plan: Plan,
    mapping: str,
    settings: ScoreEventsSettings,
    schemas: Schemas | None,
    only_users: tuple[str, ...] | None,
) -> Bound:
    values = _values(mapping, settings, schemas)
    only_keys = None if only_users is None else frozenset(user.encode() for user in only_users)
    return Bound(plan, values, _hash(mapping), only_keys)


def _values(mapping: str, settings: EventSettings, schemas: Schemas | None) -> ValueReader | None:
    mapped = Mapping.of(json.loads(mapping)) if mapping else None
    return value_reader(settings.events_format, mapped, settings.events_framing, schemas)


def _schemas_of(settings: EventSettings) -> SchemaRegistry | None:
    return registry_of(settings) if settings.events_format == "avro" else None


def _hash(mapping: str) -> str:
    # The order of the columns counts: ids of rows without one are made in it.
    return hashlib.sha256(mapping.encode()).hexdigest()[:_HASH_DIGITS] if mapping else NO_MAPPING


class _WhenAsked:
    """The registry of the settings, connected to when it is first asked."""

    def __init__(self, settings: EventSettings) -> None:
        self._settings = settings
        self._registry: SchemaRegistry | None = None

    def avro(self, schema_id: int) -> AvroSchema:
        """Return a schema; see `driftline.values.reading.Schemas`."""
        if self._registry is None:
            self._registry = registry_of(self._settings)
        return self._registry.avro(schema_id)


_registries: dict[tuple[str, str, str], SchemaRegistry] = {}


def registry_of(settings: EventSettings) -> SchemaRegistry:
    """Return the process's registry of the settings; a restarted task finds the schemas that were asked for before.

    In thread mode failed operators are never closed, so a client for each would leak its sockets.

    Raises:
        SettingError: the client is not installed, or the settings are nothing that it can use.
    """
    ca_file = str(settings.schema_registry_ca_file or "")
    place = settings.schema_registry_url, settings.schema_registry_login, ca_file
    registry = _registries.get(place)
    if registry is None:
        registry = _registries[place] = SchemaRegistry(*place)
    return registry
