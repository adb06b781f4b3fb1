"""The schemas of a Schema Registry by their ids, for topics of Avro, through the registry's own client.

A schema is asked for once: what has an id never changes. The network may delay an answer, so the client lives on
threads that Python has started (jobs/model_watch.py says why), and nobody waits for one longer than `answer_s`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from driftline.errors import ServiceUnavailable, SettingError
from driftline.values.avro import AvroSchema, named_avro, parsed_avro

_NOT_FOUND: Final = 404
_NONE_SUCH: Final = (40401, 40402, 40403)  # the registry's own words for no such subject, version or schema
_IDS_MAX: Final = 1_000  # remembered, and as many that are refused
_REFERENCES_MAX: Final = 100  # of one schema, also by way of others


class _Refused(NamedTuple):
    """An id that no schema of Avro has."""

    until_s: float
    why: str


class SchemaRegistry:
    """Schemas of a registry; see `driftline.values.reading.Schemas`.

    Args:
        url: of the registry; several with commas between them.
        user_info: user and password with a colon between them; empty: none.
        ca_file: certificates that the registry's is signed by; empty: the usual ones.
        timeout_s: of one request.
        retries_max: how often a request is repeated that had no answer, or one of an outage.
        retry_wait_s: before the first repeat; each further one waits longer.
        answer_s: after which an answer is not waited for any more, repeats included.
        refused_s: how long an id is refused before the registry is asked again.

    Raises:
        SettingError: the client is not installed, or one of these is nothing that it can use.
    """

    def __init__(  # noqa: PLR0917
        self,
        url: str,
        user_info: str = "",
        ca_file: str = "",
        timeout_s: float = 5.0,
        retries_max: int = 3,
        retry_wait_s: float = 0.5,
        answer_s: float = 60.0,
        refused_s: float = 60.0,
    ) -> None:
        self._settings: dict[str, Any] = {
            "url": url,
            "timeout": timeout_s,
            "max.retries": retries_max,
            "retries.wait.ms": int(retry_wait_s * 1_000),
        }
        if user_info:
            self._settings["basic.auth.user.info"] = user_info
        if ca_file:
            self._settings["ssl.ca.location"] = ca_file
        self._answer_s = answer_s
        self._refused_s = refused_s
        self._known: dict[int, AvroSchema] = {}
        self._refused: dict[int, _Refused] = {}
        self._client: Any = _on_python_thread(self._connected, answer_s)

    def avro(self, schema_id: int) -> AvroSchema:
        """Return a schema, from memory wherever it was asked for before.

        Raises:
            ValueError: there is no schema of that id, or it is not Avro's.
            ServiceUnavailable: the registry did not answer, also when asked again, or does not let us in.
        """
        schema = self._known.get(schema_id)
        if schema is not None:
            return schema
        refused = self._refused.get(schema_id)
        if refused is not None and time.monotonic() < refused.until_s:
            raise ValueError(refused.why)
        try:
            schema = _on_python_thread(lambda: self._fetched(schema_id), self._answer_s)
        except ValueError as error:
            self._refused.pop(schema_id, None)
            _remember(self._refused, schema_id, _Refused(time.monotonic() + self._refused_s, str(error)))
            raise
        _remember(self._known, schema_id, schema)
        return schema

    def _connected(self) -> Any:
        try:
            from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415  (for such topics only)
        except ImportError:
            message = "avro needs the schema registry's client: install driftline[registry]"
            raise SettingError(message) from None
        try:
            return SchemaRegistryClient(self._settings)
        except (ValueError, TypeError, OSError) as error:
            message = f"the schema registry's client cannot use its settings: {error}"
            raise SettingError(message) from None

    def _fetched(self, schema_id: int) -> AvroSchema:
        schema = _asked(self._client.get_schema, schema_id)
        if schema.schema_type != "AVRO":
            message = f"is of a schema of {schema.schema_type}, not Avro"
            raise ValueError(message)
        named: dict[str, Any] = {}
        self._add_references(schema, named, set())
        return parsed_avro(schema.schema_str, named)

    def _add_references(self, schema: Any, named: dict[str, Any], seen: set[tuple[str, int]]) -> None:
        """Parse what a schema refers to, and before that what those do."""
        for reference in schema.references or []:
            place = reference.subject, reference.version
            if place in seen:
                continue
            seen.add(place)
            if len(seen) > _REFERENCES_MAX:
                message = f"is of a schema with over {_REFERENCES_MAX} references"
                raise ValueError(message)
            found = _asked(self._client.get_version, *place).schema
            self._add_references(found, named, seen)
            named_avro(found.schema_str, named)


def _remember(kept: dict[int, Any], schema_id: int, value: object) -> None:
    if len(kept) >= _IDS_MAX:
        kept.pop(next(iter(kept)), None)  # the oldest, unless another thread was faster
    kept[schema_id] = value


def _asked(ask: Callable[..., Any], *what: object) -> Any:
    """Return the registry's answer; the client has repeated what was worth it.

    Raises:
        ValueError: the registry has no such schema.
        ServiceUnavailable: it gave no answer, or another error.
    """
    from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415

    try:
        return ask(*what)
    except SchemaRegistryError as error:
        if error.http_status_code == _NOT_FOUND and error.error_code in _NONE_SUCH:
            message = "is of a schema that the registry does not have"
            raise ValueError(message) from None
        message = f"the schema registry answers with HTTP {error.http_status_code}"
        if error.http_status_code == _NOT_FOUND:  # of a proxy, or another service: a record is not to blame
            message += ", but not as a registry does; check schema_registry_url"
        raise ServiceUnavailable(message) from None
    except Exception as error:  # whatever the client's HTTP library raises, or an answer that is not JSON
        message = f"the schema registry cannot be reached: {type(error).__name__}"
        raise ServiceUnavailable(message) from error


def _on_python_thread(work: Callable[[], Any], answer_s: float) -> Any:
    """Return what the work returns, or raise what it raises, on a thread that Python has started."""
    outcome: list[Any] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:  # raised below, where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run, name="schema registry", daemon=True)
    thread.start()
    thread.join(answer_s)
    if failed:
        raise failed[0]
    if not outcome:
        message = f"the schema registry gave no answer within {answer_s:g} s"
        raise ServiceUnavailable(message)
    return outcome[0]
