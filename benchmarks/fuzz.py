"""Damaged and hostile records over the pure core: nothing but a dead letter may come of them.

Every block goes through `BlockProcessor.process`, so through decoding, validation, the fold, scores and state. An
exception is a failure, and so is a record that no counter knows, or a word of a payload in a header. Seeded: the same
arguments make the same records.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from driftline.catalogue import PURCHASE_PROPENSITY
from driftline.event.v1.event_pb2 import UserEvent
from driftline.event.v1.heal_pb2 import HealOrder
from driftline.metrics import JobMetric
from driftline.settings import Format
from driftline.state.v1.state_pb2 import ShardState
from jobs.pipeline import processor_of
from jobs.settings import ScoreEventsSettings
from state_schemas.users import Timelines
from udfs.block import UNKNOWN_TYPES_MAX, Block
from udfs.heal_orders import order_bytes
from udfs.scoring import Model

NOW_MS = 1_800_000_000_000
BLOCK_RECORDS = 50
USERS = [f"u{number}" for number in range(20)]
SECRET = "pa55word"  # noqa: S105  (in the payload of damaged records; no header may hold it)
EVENT_BYTES_MAX = 8_192
SHOWN_CHARS_MAX = 40
FRESH_BLOCKS = 30  # after so many, users begin anew, so that a failure is near its cause

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
TIMES = (
    *(0, 1, -1, 1200, INT64_MIN, INT64_MAX, INT64_MAX - 1, 949_778_714, 2**31, 2**53, 2**62),
    *(946_684_799_999, 946_684_800_000, 4_102_444_800_000, 4_102_444_800_001),
    *(NOW_MS * 1_000, NOW_MS * 1_000_000, NOW_MS + 300_000, NOW_MS + 300_001),
)
TEXTS = (
    *("", "x", SECRET, "\0", "a\0b", "é" * 64, "é" * 65, "x" * 128, "x" * 129, "x" * 300, "\U0001f600" * 40),
    *("u1", '"u1"', "{", "}:{", "\n", "\u202e", "\ufeff", "'; --", "EUR", "eur", "NaN", "null"),
)
NUMBERS = (0.0, -0.0, 1.5, -1.0, 1e12, -1e12, 1.1e12, 1e308, 5e-324, math.nan, math.inf, -math.inf)
ENUMS = (0, 1, 5, 6, 8, 9, 10, 11, 99, -1, 2**31 - 1, -(2**31))
JSON_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**63, 2**64, 10**30, 1e308, -0.0, 1.5, "", "x", SECRET, "\ud800", "\udfff", "\0"),
    *("1" * 25, "NaN", "Infinity", "1e999", [], {}, [[]], {"a": 1}, {"a": "b"}, {"\ud800": "x"}, {"a": "\udfff"}),
    *("VIEW", "view", "page_view", "FORGET", "refund", "99", "2024-01-01T00:00:00Z", "2024-13-45", "9999-12-31T23:59Z"),
    *(math.nan, math.inf, "0" * 500, "-", "1767225600000", NOW_MS, 1_767_225_600, 99, -5, 2**31, -(2**31)),
)
NO_NUMBERS = ("1e400", "-1e400", "9" * 500, "0" * 500, "01", "1.", "+1", "NaN", "Infinity", "-Infinity", "nul", "tru")
KEYS = (
    *("eventId", "userId", "type", "eventTimeMs", "itemId", "category", "value", "currency", "channel", "name"),
    *("properties", "event_id", "user_id", "event_time_ms", "unknown", "", "\0"),
)


class Hostile:
    """Makes records from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._number = 0
        pick = self._random.choice
        self._protobuf: tuple[Callable[[], bytes | None], ...] = (
            self._good,
            self._good,
            self._good,
            lambda: self._message(pick(TIMES), odd=True).SerializeToString(),
            lambda: self._flipped(self._good()),
            lambda: self._flipped(self._message(self._time(), odd=True).SerializeToString()),
            self._garbage,
            self._wire,
            self._alien,
        )
        self._json: tuple[Callable[[], bytes | None], ...] = (
            self._document,
            self._document,
            lambda: self._flipped(self._document()),
            self._nested,
            self._text,
            self._alien,
        )

    def block(self, encoding: Format) -> Block:
        """A block of records that are good, damaged and hostile."""
        makers = self._protobuf if encoding == "protobuf" else self._json
        rng, keys, values, timestamps = self._random, list[bytes | None](), list[bytes | None](), list[int]()
        for _ in range(BLOCK_RECORDS):
            self._user = rng.choice(USERS)
            values.append(rng.choice(makers)())
            right = rng.random() < 0.9
            keys.append(self._user.encode() if right else rng.choice((None, b"", b"\xff", b'"u1"', rng.randbytes(9))))
            timestamps.append(rng.choice((self._time(), *TIMES)) if rng.random() < 0.2 else NOW_MS)
        numbers = range(BLOCK_RECORDS)
        return Block(keys, values, [rng.choice((0, 2**31 - 1)) for _ in numbers], list(numbers), timestamps)

    def _time(self) -> int:
        rng = self._random
        return NOW_MS - rng.choice((0, 1, rng.randrange(120_000), rng.randrange(600_000), rng.randrange(10**11)))

    def _message(self, time_ms: int, *, odd: bool) -> UserEvent:
        rng, self._number = self._random, self._number + 1
        message = UserEvent(user_id=self._user, event_time_ms=time_ms, value=rng.random() * 100)
        message.event_id = f"e{rng.randrange(self._number) if rng.random() < 0.2 else self._number}"
        message.type = rng.choice(ENUMS if odd else range(1, 11))  # type: ignore[assignment]
        message.name = "n"
        message.category = rng.choice(("", "c1", "c2", "c3"))
        if odd:
            for name in rng.sample(("event_id", "user_id", "item_id", "category", "currency", "name", "type_word"), 2):
                setattr(message, name, rng.choice(TEXTS))
            message.value = rng.choice(NUMBERS)
            message.channel = rng.choice(ENUMS)  # type: ignore[assignment]
            message.properties[rng.choice(TEXTS)] = rng.choice(TEXTS)
        return message

    def _good(self) -> bytes:
        return self._message(self._time(), odd=False).SerializeToString()

    def _flipped(self, value: bytes | None) -> bytes:
        rng, damaged = self._random, bytearray(value or b"")
        for _ in range(rng.randrange(1, 4)):
            if damaged:
                at = rng.randrange(len(damaged))
                how = rng.randrange(4)
                if how == 0:
                    damaged[at] ^= 1 << rng.randrange(8)
                elif how == 1:
                    damaged[at] = rng.randrange(256)
                elif how == 2:
                    del damaged[at:]
                else:
                    damaged[at:at] = damaged[rng.randrange(len(damaged)) :][: rng.randrange(40)]
        return bytes(damaged)

    def _garbage(self) -> bytes:
        return self._random.randbytes(self._random.randrange(60))

    def _wire(self) -> bytes:
        """Fields of any number and wire type, overlong varints, lengths that lie, groups in groups."""
        rng, parts = self._random, [self._good()]
        for _ in range(rng.randrange(1, 5)):
            tag = rng.randrange(1, 20) << 3 | rng.randrange(8)
            parts.append(
                rng.choice(
                    (
                        bytes([tag & 0x7F]) + rng.randbytes(rng.randrange(12)),
                        bytes([tag & 0x7F]) + b"\xff" * rng.randrange(12) + b"\x01",
                        b"\xff" * 9 + b"\x7f",
                        b"\x0a\xff\xff\xff\xff\x07",
                        bytes([0x7B]) * rng.choice((1, 50, 99, 100, 101, 3_000)),
                        b"\x5a" + bytes([rng.randrange(9)]) + rng.randbytes(8),
                        b"\x12\x02\xff\xfe",
                    )
                )
            )
        rng.shuffle(parts)
        return b"".join(parts)

    def _alien(self) -> bytes | None:
        """What is no event of the topic at all."""
        rng, good = self._random, self._good()
        return rng.choice(
            (
                None,
                b"",
                b"\0",
                b"\0" + str(rng.randrange(10**6)).encode() + b" " + str(rng.randrange(10**4)).encode(),
                b"\0\0\0\0\x07\0" + good,
                gzip.compress(good),
                json.dumps({"userId": self._user, "secret": SECRET}).encode("utf-16"),
                b"\xef\xbb\xbf{}",
                bytes(EVENT_BYTES_MAX + 1),
                SECRET.encode() * 99,
                self._order(),
                self._flipped(self._order()),
            )
        )

    def _order(self) -> bytes:
        """A heal order that nobody's state fits."""
        rng = self._random
        order = HealOrder(user_id=self._user, cut_time_ms=self._time(), folding=rng.choice(TEXTS))
        order.expected, order.profile = rng.randbytes(16), rng.randbytes(rng.randrange(60))
        return order_bytes(order)

    def _fields(self) -> dict[str, Any]:
        rng, self._number = self._random, self._number + 1
        number = self._number - rng.randrange(50) if rng.random() < 0.1 else self._number
        fields: dict[str, Any] = {"eventId": f"e{number}", "userId": self._user, "type": "VIEW"}
        fields["eventTimeMs"] = rng.choice((self._time(), str(self._time()), rng.choice(TIMES)))
        for _ in range(rng.choice((0, 1, 1, 2, 5))):
            fields[rng.choice(KEYS)] = rng.choice(JSON_VALUES)
        return fields

    def _document(self) -> bytes:
        return json.dumps(self._fields(), ensure_ascii=self._random.random() < 0.9).encode("utf-8", "surrogatepass")

    def _nested(self) -> bytes:
        rng = self._random
        if rng.random() < 0.7:
            return self._document()
        limit = sys.getrecursionlimit()
        depth = rng.choice((2, rng.randrange(1, 3_000), *(rng.randrange(limit - 60, limit) for _ in range(4))))
        opened, closed = rng.choice((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")))
        nested = opened * depth + rng.choice(("1", '"x"', "[]")) + closed * depth
        document = json.dumps(self._fields())
        return f'{document[:-1]},"{rng.choice(KEYS)}":{nested}{rng.choice(("}", "", "]"))}'.encode()

    def _text(self) -> bytes:
        """JSON that is none, or that a reader may trip over."""
        rng, document = self._random, json.dumps(self._fields())
        return rng.choice(
            (
                f"[{document}]",
                document * 2,
                document[:-1] + ',"eventId":"twice"}',
                document[:-1]
                + ',"value":'
                + rng.choice(("1e400", "-1e400", "9" * 500, "0" * 500, "01", "1.", "+1"))
                + "}",
                document[:-1] + ',"value":' + rng.choice(("NaN", "Infinity", "-Infinity", "nul", "tru")) + "}",
                document.replace("VIEW", "VI\\u0000EW"),
                document.replace("VIEW", f"{SECRET}\\ud83d"),
                document.replace('"', "'"),
                document + "\0",
                "\ufeff" + document,
                document[: rng.randrange(len(document))],
            )
        ).encode()


class _States(dict[str, bytes]):
    """Encoded states by user."""

    put_all = dict.update


def no_model() -> Model | None:
    """The model of a job that has none yet."""
    return None


class Target:
    """The core of a job that reads one topic."""

    def __init__(self, encoding: Format) -> None:
        self.encoding = encoding
        self._settings: ScoreEventsSettings = ScoreEventsSettings.load(
            events_format=encoding, event_bytes_max=EVENT_BYTES_MAX
        )
        self._processor = processor_of(self._settings, {PURCHASE_PROPENSITY: lambda: no_model()})  # noqa: PLW0108  (tests replace it)
        self.totals: Counter[str] = Counter()
        self.begin()

    def begin(self) -> None:
        """Begin without users."""
        self._shard = ShardState(generation=1)
        # Hardly any user is kept, so that states are written and read.
        self._users = Timelines(_States(), self._processor.bounds, 3, self._settings.users_kept_bytes_max)
        self._records = 0

    def feed(self, block: Block) -> None:
        """Process a block. Raises AssertionError for a broken promise, and whatever escapes the core."""
        while len(block):
            result = self._processor.process(block, self._shard, self._users, NOW_MS)
            assert result.taken, "a call that takes no record"  # noqa: S101
            self._users.put_all(result.timelines)
            self._records += result.taken
            self._check(result.dead_letters + result.late)
            for name in ("accepted", "duplicate", "late", "dead_letter"):
                self.totals[name] += result.counts.get(JobMetric(f"events_{name}"), 0)
            block = block.part(result.taken)
        shard = self._shard
        counted = shard.accepted + shard.duplicate + shard.late + shard.dead_letter
        assert counted == self._records, f"{self._records} records, and the counters add up to {counted}"  # noqa: S101
        names = shard.unknown_types
        fit = all(name.isprintable() and len(name) <= SHOWN_CHARS_MAX for name in names)
        assert fit and len(names) <= UNKNOWN_TYPES_MAX + 1, "names of types without bounds"  # noqa: S101

    def _check(self, rejects: list[Any]) -> None:
        for rejected in rejects:
            self.totals[rejected.headers["driftline.errors.reason"].decode()] += 1
            told = b"".join(rejected.headers.values())
            assert SECRET.encode() not in told, f"a header holds a payload: {told!r}"  # noqa: S101


def fuzz(records: int, seed: int, note: Callable[[str], object] = print) -> dict[str, Counter[str]]:
    """Feed records, half of them in either encoding; returns where they went.

    Raises:
        AssertionError: a promise is broken; names the block, which the same seed makes again.
    """
    hostile, targets = Hostile(seed), (Target("protobuf"), Target("json"))
    blocks = -(-records // BLOCK_RECORDS)
    started_s = time.monotonic()
    for number in range(blocks):
        target = targets[number % 2]
        block = hostile.block(target.encoding)
        try:
            target.feed(block)
        except Exception as error:
            text = f"{target.encoding}, seed {seed}, block {number}: {type(error).__name__}: {str(error)[:300]}"
            raise AssertionError(text) from error
        if number % FRESH_BLOCKS == 0:
            for each in targets:
                each.begin()
        if number and number % 20_000 == 0:
            rate = number * BLOCK_RECORDS / (time.monotonic() - started_s)
            note(f"{number * BLOCK_RECORDS:,} records, {rate:,.0f}/s")
    return {target.encoding: target.totals for target in targets}


def main() -> None:
    """Run from the command line; exit 1 with what broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for encoding, totals in fuzz(arguments.records, arguments.seed).items():
        print(f"{encoding}: {', '.join(f'{name} {number:,}' for name, number in sorted(totals.items()))}")
    print(f"{arguments.records:,} records: nothing escaped, the counters add up, no header holds a payload")


if __name__ == "__main__":
    main()
