"""What a job is submitted with: settings of its input, the mapping that travels with it, how values are read."""

from __future__ import annotations

import base64
import itertools
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.simulator import SimulationSpec, simulate, user_event
from driftline.errors import InputError, ServiceUnavailable, SettingError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import format_event
from jobs import bundle as bundles
from jobs import lineage
from jobs.bundle import NO_MAPPING, bind, bound_for, bundle_of, registry_of
from jobs.lineage import Submission
from jobs.pipeline import decoder_of
from tests.builders import HOUR, NOW, T0, job_settings, message
from tests.fake_flink import Task
from tests.schema_registry import Registry, answer, frame, running, written
from tests.topic_values import AVRO_EVENT, SEGMENT_MAPPING, framed_avro, framed_protobuf, segment_call
from udfs.decode import Decoder
from udfs.event import PURCHASE, SURVEY_RESPONSE, Event
from udfs.rejects import InvalidEventError, Reason
from udfs.shards import KEYS, shard_keys

PAID = message(type=PURCHASE, value=9.5, currency="EUR", category="shoes", item_id="sku-1")
WORDS = 'time_unit = "ms"\n[columns]\nuserId = "who"\ntype = "what"\neventTimeMs = "at"\n'
AVRO_WORDS = {
    "type": "record",
    "name": "Seen",
    "fields": [*({"name": name, "type": "string"} for name in ("who", "what")), {"name": "at", "type": "long"}],
}
AVRO = {"events_format": "avro", "events_framing": "confluent"}


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test finds no registry that another has connected to."""
    monkeypatch.setattr(bundles, "_registries", {})


@pytest.fixture
def registry() -> Iterator[Registry]:
    with running() as made:
        made.answers["/schemas/ids/7"] = answer(AVRO_EVENT)
        made.answers["/schemas/ids/8"] = answer(AVRO_WORDS)
        yield made


@pytest.fixture
def words(tmp_path: Path) -> Path:
    file = tmp_path / "words.toml"
    file.write_text(WORDS)
    return file


def decoded(decoder: Decoder, value: bytes, user_id: str = "u1") -> tuple[str, Event]:
    return decoder.decode(user_id.encode(), value, T0 + 365 * 24 * HOUR, NOW)


def as_json(event: UserEvent) -> bytes:
    return format_event(event).encode()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"events_format": "avro"}, "events_format=avro needs events_framing=confluent: a value alone does not say"),
        (AVRO, "events_format=avro needs schema_registry_url, where the schemas of the values are"),
        ({"events_mapping": "m.toml"}, "events_mapping needs events_format=json or avro"),
        (
            {"events_mapping": "m.toml", "events_framing": "confluent"},
            "events_mapping needs events_format=json or avro",
        ),
        ({"events_framing": "glue"}, "events_framing: Input should be 'none' or 'confluent', not 'glue'"),
        ({"schema_registry_url": "registry:8081"}, "schema_registry_url should be http://host[:port] or https://"),
        ({"schema_registry_url": "http://a:1, http://b:1"}, "schema_registry_url should be http://host[:port]"),
        ({"schema_registry_user": "ada"}, "schema_registry_user and schema_registry_password_file belong together"),
        ({"schema_registry_password_file": "f"}, "schema_registry_user and schema_registry_password_file belong"),
    ],
)
def test_settings_that_do_not_go_together_say_what_is_missing(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError) as caught:
        job_settings(**given)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"schema_registry_url": "https://ada:hunter2@registry:8081"},
        {"schema_registry_user": "ada:hunter2", "schema_registry_password_file": "f"},
    ],
)
def test_a_password_in_the_wrong_place_is_not_shown(given: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="schema_registry_password_file") as caught:
        job_settings(**given)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://registry:8081", "https://registry/path", "http://a:1,https://b:2/ccompat/v7"])
def test_addresses_of_registries(url: str) -> None:
    assert job_settings(**AVRO, schema_registry_url=url).schema_registry_url == url


def test_files_are_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = job_settings(events_format="json", events_mapping="m.toml", declarations="personalization")
    assert (settings.events_mapping, settings.declarations) == (tmp_path / "m.toml", tmp_path / "personalization")


@pytest.mark.parametrize("framing", ["none", "confluent"])
@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_every_encoding_is_read_with_and_without_a_frame(encoding: str, framing: str) -> None:
    plain = decoded(decoder_of(job_settings()), PAID.SerializeToString())
    decoder = decoder_of(job_settings(events_format=encoding, events_framing=framing))
    value = PAID.SerializeToString() if encoding == "protobuf" else as_json(PAID)
    if framing == "confluent":
        value = framed_protobuf(PAID) if encoding == "protobuf" else frame(value)
    assert decoded(decoder, value) == plain


@pytest.mark.parametrize("framing", ["none", "confluent"])
def test_json_is_read_by_a_mapping_with_and_without_a_frame(framing: str, words: Path) -> None:
    decoder = decoder_of(job_settings(events_format="json", events_framing=framing, events_mapping=words))
    value = b'{"who":"u1","what":"purchase","at":%d}' % T0
    user_id, event = decoded(decoder, frame(value) if framing == "confluent" else value)
    assert (user_id, event.type, event.time_ms) == ("u1", PURCHASE, T0)


def test_avro_is_read_by_the_registry_s_schemas_in_the_contract_s_words_and_by_a_mapping(
    registry: Registry, words: Path
) -> None:
    settings = {**AVRO, "schema_registry_url": registry.url}
    plain = decoded(decoder_of(job_settings()), PAID.SerializeToString())
    assert decoded(decoder_of(job_settings(**settings)), framed_avro(PAID)) == plain
    mapped = decoder_of(job_settings(**settings, events_mapping=words))
    seen = frame(written(AVRO_WORDS, {"who": "u1", "what": "purchase", "at": T0}), 8)
    assert decoded(mapped, seen)[1].type == PURCHASE
    assert registry.asked == ["/schemas/ids/7", "/schemas/ids/8"]
    assert len(bundles._registries) == 1


def test_simulated_events_mean_the_same_in_every_form(registry: Registry) -> None:
    registry_url = {"schema_registry_url": registry.url}
    forms: list[tuple[Callable[[UserEvent], bytes], dict[str, Any]]] = [
        (segment_call, {"events_format": "json", "events_mapping": SEGMENT_MAPPING}),
        (framed_protobuf, {"events_framing": "confluent"}),
        (framed_avro, {**AVRO, **registry_url}),
    ]
    decoders = [(write, decoder_of(job_settings(**given))) for write, given in forms]
    plain = decoder_of(job_settings())
    events = [user_event(one) for one in itertools.islice(simulate(SimulationSpec(users=50, events=1_000)), 1_000)]
    assert {event.type for event in events} >= {PURCHASE, SURVEY_RESPONSE}
    for event in events:
        expected = decoded(plain, event.SerializeToString(), event.user_id)
        for write, decoder in decoders:
            assert decoded(decoder, write(event), event.user_id) == expected, write(event)


def test_a_bundle_travels_without_its_files(words: Path) -> None:
    settings = job_settings(events_format="json", events_mapping=words)
    sent = pickle.dumps((settings, bundle_of(settings)))
    words.unlink()
    received, bundle = pickle.loads(sent)  # noqa: S301  (as Flink does)
    decoder = decoder_of(received, bind(bundle, received))
    assert decoded(decoder, b'{"who":"u1","what":"view","at":%d}' % T0)[0] == "u1"
    with pytest.raises(InputError, match=r"events_mapping .*words\.toml: No such file or directory"):
        bundle_of(settings)


def test_a_mapping_that_is_wrong_is_refused_where_the_job_is_submitted(words: Path) -> None:
    words.write_text('[columns]\nuser = "who"\n')
    with pytest.raises(InputError, match=r"events_mapping .*words\.toml: unknown field in columns 'user'"):
        bundle_of(job_settings(events_format="json", events_mapping=words))


def test_a_mapping_is_known_by_what_it_says(words: Path) -> None:
    settings = job_settings(events_format="json", events_mapping=words)
    first = bound_for(settings).mapping_hash
    words.write_text(f"# a comment\n\n{WORDS}")
    assert bound_for(settings).mapping_hash == bind(bundle_of(settings), settings).mapping_hash == first
    words.write_text(WORDS + 'itemId = "what"\n')
    assert bound_for(settings).mapping_hash != first
    assert bound_for(job_settings()).mapping_hash == NO_MAPPING


def test_state_is_refused_to_another_mapping_until_it_is_adopted(words: Path) -> None:
    given: dict[str, Any] = {"events_format": "json", "events_mapping": words}
    settings = job_settings(**given)
    own, submission = lineage.own_shards(settings, KEYS), Submission(2_000, restored=True)
    found = lineage.resume({}, own, settings, Submission(1_000, restored=False), bound_for(settings))
    lineage.resume(found, own, settings, submission, bound_for(settings))
    words.write_text(WORDS + 'itemId = "what"\n')
    with pytest.raises(SettingError, match=r"made with events_mapping=\w{12}, not \w{12}; submit with --set adopt="):
        lineage.resume(found, own, settings, submission, bound_for(settings))
    adopting = job_settings(**given, adopt="events_mapping")
    lineage.resume(found, own, adopting, submission, bound_for(adopting))
    lineage.resume(found, own, settings, submission, bound_for(settings))


def test_the_registry_s_password_comes_from_a_file_of_the_task(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "password"
    login = {"schema_registry_user": "ada", "schema_registry_password_file": file}
    settings = job_settings(**AVRO, schema_registry_url=registry.url, **login)
    bundle = bundle_of(settings)  # where the job is submitted there is no such file
    with pytest.raises(SettingError, match=r"schema_registry_password_file .*password: No such file or directory"):
        bind(bundle, settings)
    file.write_text("se:cret\n")
    decoded(decoder_of(settings, bind(bundle, settings)), framed_avro(PAID))
    assert base64.b64decode(registry.headers["Authorization"].removeprefix("Basic ")) == b"ada:se:cret"


def test_commands_that_read_no_value_need_no_registry() -> None:
    settings = job_settings(**AVRO, schema_registry_url="http://127.0.0.1:1", schema_registry_ca_file="/no/such/file")
    decoder = decoder_of(settings)
    assert decoder.event_of(PAID, T0, NOW).value == 9.5
    with pytest.raises(SettingError, match="client cannot use its settings"):
        registry_of(settings)


def test_an_id_that_the_registry_does_not_have_is_a_dead_letter_and_an_outage_is_none(registry: Registry) -> None:
    decoder = decoder_of(job_settings(**AVRO, schema_registry_url=registry.url))
    with pytest.raises(InvalidEventError, match="is of a schema that the registry does not have") as caught:
        decoded(decoder, framed_avro(PAID, 99))
    assert caught.value.reason == Reason.UNDECODABLE
    registry.trouble = [(401, b"{}")]
    with pytest.raises(ServiceUnavailable, match="HTTP 401"):
        decoded(decoder, framed_avro(PAID))
    assert decoded(decoder, framed_avro(PAID))[0] == "u1"


def test_a_task_reads_a_restarted_registry_s_schemas_and_loses_nothing(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = shard_keys(8)[3]
    task = Task(monkeypatch, NOW, **AVRO, schema_registry_url=registry.url)
    block = ([b"u1", b"u1"], [framed_avro(PAID), framed_avro(PAID, 99)], [0, 0], [0, 1], [T0, T0])
    registry.trouble = [(403, b"{}")]
    with pytest.raises(ServiceUnavailable):
        task.block(key, block)
    task.open()  # as Flink does after a failure
    task.block(key, block)
    assert (task.counts["events_accepted"], task.counts["events_dead_letter"]) == (1, 1)


def test_a_task_folds_by_the_mapping_that_it_was_sent(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(monkeypatch, NOW, events_format="json", events_mapping=words)
    words.unlink()
    value = b'{"who":"u1","what":"view","at":%d}' % T0
    task.block(shard_keys(8)[3], ([b"u1", b"u1"], [value, b'{"who":"u1"}'], [0, 0], [0, 1], [T0, T0]))
    assert (task.counts["events_accepted"], task.counts["events_dead_letter"]) == (1, 1)
