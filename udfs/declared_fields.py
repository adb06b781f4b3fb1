"""The fields of declared events: how what a message holds becomes a number or a text."""

from __future__ import annotations

import json
import math
from datetime import tzinfo
from typing import Final

from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import property_text
from driftline.limits import FIELD_BYTES_MAX, TIME_MS_MAX, VALUE_MAX
from driftline.times import number_time_ms, parse_time_ms
from udfs.declared_sources import Properties, Source, ValueSource
from udfs.event import PURCHASE, REFUND, Event
from udfs.joined import SEPARATOR
from udfs.money import Currencies
from udfs.rejects import InvalidEventError, Reason

_TIME_MS_MIN: Final = -62_135_596_800_000  # the beginning of the year 1
_NOTHING: Final = frozenset(("null", "none", "undefined"))
_NOTHING_BEGINS: Final = "nNuU"
_NOTHING_CHARS_MAX: Final = 16  # of such a word with blanks around it; longer texts are not looked at
_BOOLS: Final = {"true": 1.0, "1": 1.0, "yes": 1.0, "false": 0.0, "0": 0.0, "no": 0.0}
_DATE_CHARS: Final = 10  # of 2026-01-31


class Field:
    """A field of a type of events.

    Args:
        event_type, name: as the plan has them; errors name them.
        source: where the field is.
        required: whether an event without it is refused.
        wanted: what it must be, as it follows "must be" in an error.
    """

    __slots__ = ("event_type", "name", "required", "source", "wanted")

    def __init__(self, event_type: str, name: str, source: Source, required: bool, wanted: str) -> None:
        self.event_type = event_type
        self.name = name
        self.source = source
        self.required = required
        self.wanted = wanted

    def given(self, message: UserEvent, properties: Properties) -> str:
        """Return the field's text; empty if it is absent. Raises InvalidEventError, MISSING_FIELD."""
        text = self.source.text(message, properties)
        if not text or (len(text) <= _NOTHING_CHARS_MAX and _is_nothing(text)):
            if self.required:
                raise self.missing()
            return ""
        return text

    def missing(self) -> InvalidEventError:
        """Return the error of an event that lacks the field."""
        return InvalidEventError(Reason.MISSING_FIELD, f"{self.name} is missing; {self.event_type} events need it")

    def wrong(self) -> InvalidEventError:
        """Return the error of an event whose field is not of the kind."""
        return InvalidEventError(Reason.INVALID_VALUE, f"{self.name} of {self.event_type} must be {self.wanted}")


def _is_nothing(text: str) -> bool:
    first = text[0]
    if first not in _NOTHING_BEGINS and not first.isspace():  # most texts: seen without another copy
        return False
    word = text.strip().lower()
    return not word or word in _NOTHING


class NumberField(Field):
    """A field that becomes a number: a number itself, within bounds."""

    __slots__ = ("_default", "_high", "_low", "from_value")

    def __init__(  # noqa: PLR0917
        self, event_type: str, name: str, source: Source, required: bool, wanted: str, default: float
    ) -> None:
        super().__init__(event_type, name, source, required, wanted)
        self._default = default
        self._low = -VALUE_MAX
        self._high = VALUE_MAX
        self.from_value = isinstance(source, ValueSource)

    def bound(self, low: float | None, high: float | None) -> None:
        """Set the bounds, which belong to the range; None leaves one as it is."""
        if low is not None:
            self._low = low
        if high is not None:
            self._high = high

    def number(self, message: UserEvent, properties: Properties, event: Event) -> float:
        """Return the number of a message. Raises InvalidEventError."""
        if self.from_value and message.HasField("value"):
            return self.checked(message.value)
        text = self.given(message, properties)
        return self.checked(self.converted(text)) if text else self._default

    def converted(self, text: str) -> float:
        """Return the number of a text; NaN if it is none."""
        return _float(text)

    def checked(self, number: float) -> float:
        """Return a number that is within the bounds. Raises InvalidEventError."""
        if not self._low <= number <= self._high:  # true for NaN, too
            raise self.wrong()
        return number + 0.0  # -0 is 0: the state does not tell them apart


class BoolField(NumberField):
    """A field that is true (1) or false (0)."""

    __slots__ = ()

    def converted(self, text: str) -> float:
        """Return 1 or 0; NaN if it is neither."""
        return _BOOLS.get(text.strip().lower(), math.nan)


class TimestampField(NumberField):
    """A time, in milliseconds; `unit` is one of UNITS_MS or iso, `zone` that of a text without one."""

    __slots__ = ("_unit", "_zone")

    def __init__(  # noqa: PLR0917
        self, event_type: str, name: str, source: Source, required: bool, default: float, unit: str, zone: tzinfo
    ) -> None:
        wanted = "a time of ISO 8601" if unit == "iso" else f"a number of {unit}"
        super().__init__(event_type, name, source, required, wanted, default)
        self._unit = unit
        self._zone = zone
        self.from_value = False  # a value is in the unit, too
        self.bound(_TIME_MS_MIN, TIME_MS_MAX)

    def converted(self, text: str) -> float:
        """Return milliseconds since the Unix epoch; NaN if it is no time."""
        bare = text.strip()
        try:
            if self._unit != "iso":
                return float(number_time_ms(bare, self._unit))
            if len(bare) == _DATE_CHARS:
                bare += "T00:00"  # of a day, its beginning in the declared zone
            return float(parse_time_ms(bare, self._zone))
        except ValueError:
            return math.nan


class MoneyField(NumberField):
    """An amount of money, which sets the event's currency. Bounds are those of the amount as it was given."""

    __slots__ = ("_currencies", "_currency")

    def __init__(  # noqa: PLR0917
        self,
        event_type: str,
        name: str,
        source: Source,
        required: bool,
        wanted: str,
        default: float,
        currency: Source,
        currencies: Currencies,
    ) -> None:
        super().__init__(event_type, name, source, required, wanted, default)
        self._currency = currency
        self._currencies = currencies

    def number(self, message: UserEvent, properties: Properties, event: Event) -> float:
        """Return the amount as it is added up. Raises InvalidEventError."""
        if event.type == PURCHASE or event.type == REFUND:  # noqa: PLR1714  (compiled, it compares numbers)
            if message.HasField("value"):
                return self.checked(event.value)  # `validate` has converted it
            if self.required:
                raise self.missing()
            return self._default
        if self.from_value and message.HasField("value"):
            number = self.checked(message.value)
        else:
            text = self.given(message, properties)
            if not text:
                return self._default
            number = self.checked(_float(text))
        amount, event.currency = self._currencies.amount(number, self._currency.text(message, properties))
        return amount


class TextField(Field):
    """A field that becomes a text of at most FIELD_BYTES_MAX bytes: a text itself."""

    __slots__ = ("_default",)

    def __init__(  # noqa: PLR0917
        self, event_type: str, name: str, source: Source, required: bool, wanted: str, default: str
    ) -> None:
        super().__init__(event_type, name, source, required, wanted)
        self._default = default

    def text(self, message: UserEvent, properties: Properties) -> str:
        """Return the text of a message. Raises InvalidEventError."""
        text = self.given(message, properties)
        if not text:
            return self._default
        text = self.converted(text)
        if len(text) * 4 > FIELD_BYTES_MAX and len(text.encode()) > FIELD_BYTES_MAX:
            raise self.wrong()
        return text

    def converted(self, text: str) -> str:
        """Return the text as it is folded."""
        return text


class StringsField(TextField):
    """A list of texts, joined by SEPARATOR: a JSON list, or texts with commas between them; the default, too."""

    __slots__ = ()

    def __init__(  # noqa: PLR0917
        self, event_type: str, name: str, source: Source, required: bool, wanted: str, default: str
    ) -> None:
        super().__init__(event_type, name, source, required, wanted, default)
        self._default = self.converted(default)

    def text(self, message: UserEvent, properties: Properties) -> str:
        """Return the joined texts; a list without any is absence. Raises InvalidEventError."""
        joined = super().text(message, properties)
        if not joined:
            if self.required:
                raise self.missing()
            return self._default
        return joined

    def converted(self, text: str) -> str:
        """Return the joined texts. Raises InvalidEventError."""
        given: list[str] = self._listed(text) if text.lstrip().startswith("[") else text.split(",")
        parts: list[str] = []
        for part in given:
            if SEPARATOR in part:
                raise self.wrong()
            if part and not part.isspace():
                parts.append(part.strip())
        return SEPARATOR.join(parts)

    def _listed(self, text: str) -> list[str]:
        try:
            elements: object = json.loads(text)
        except (ValueError, RecursionError):
            raise self.wrong() from None
        texts: list[str] = []
        if not isinstance(elements, list):
            raise self.wrong()
        for element in elements:
            if isinstance(element, (list, dict)):
                raise self.wrong()
            element_text = property_text(element)
            if element_text:
                texts.append(element_text)
        try:
            "".join(texts).encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which is no character
            raise self.wrong() from None
        return texts


def _float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return math.nan if "_" in text or not text.isascii() else number  # 1_000 and other scripts' digits are Python's
