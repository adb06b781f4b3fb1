"""Amounts of money: which of them may be added up.

Amounts in different currencies are never added up. If the job declares a currency, amounts in others are converted by
a declared table; those without a rate are left out and counted. If it declares none, the currency of a user's first
amount in event-time order counts, which does not depend on the order of arrival; the others are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NO_CURRENCY: Final = 0  # not given: assumed to be that of the user's other amounts
LEFT_OUT: Final = 0xFFFF  # no ISO 4217 code, or one without a rate: the amount is not added up
_CODE_CHARS_MAX: Final = 8  # of a code with blanks around it; longer texts are not looked at

# ISO 4217: the active codes without those of funds, metals and tests; the last line has withdrawn ones.
_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
    CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
    ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT
    MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES
    VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    CUC HRK SLL ZWL BGL EEK LTL LVL
"""  # withdrawn codes occur in histories
CODES: Final = frozenset(_CODES.split())
RATE_MIN: Final = 1e-9
RATE_MAX: Final = 1e9  # keeps sums finite
_RATES: Final = (
    "currency_rates should be codes of ISO 4217 other than currency, each with a number from 1e-9 to 1e9: "
    "USD=0.92,GBP=1.17"
)


def _number(code: str) -> int:
    number = 0
    for letter in code:
        number = number * 26 + ord(letter) - ord("A")
    return number + 1


# A currency's number in the state: its letters in base 26, plus 1; at most 17,576. It never changes.
NUMBERS: Final = {code: _number(code) for code in CODES}


class Currencies:
    """The currency that a job adds amounts up in, and the rates of the others.

    Args:
        declared: ISO 4217 code of that currency; empty: each user's own.
        rates: what one unit of another currency is worth in the declared one.

    Raises:
        ValueError: names the setting of the job that is wrong, and the values that it accepts.
    """

    def __init__(self, declared: str = "", rates: Mapping[str, float] | None = None) -> None:
        self.declared = declared
        self.rates = dict(rates or {})
        if declared and declared not in CODES:
            message = f"currency should be empty or a code of ISO 4217, like EUR, not {declared!r}"
            raise ValueError(message)
        if self.rates and not declared:
            message = "currency_rates needs currency, the one to convert to"
            raise ValueError(message)
        for code, rate in self.rates.items():
            if code not in CODES or code == declared or not RATE_MIN <= rate <= RATE_MAX:  # false for NaN, too
                raise ValueError(_RATES)

    @classmethod
    def parse(cls, declared: str, joined_rates: str) -> Currencies:
        """Read a job's settings; rates are written like USD=0.92,GBP=1.17. Raises ValueError."""
        rates: dict[str, float] = {}
        for part in filter(None, joined_rates.replace(" ", "").split(",")):
            code, _, rate = part.partition("=")
            if code in rates:
                message = f"currency_rates has {code!r} twice"
                raise ValueError(message)
            try:
                rates[code] = float(rate)
            except ValueError:
                raise ValueError(_RATES) from None
        return cls(declared, rates)

    def amount(self, value: float, currency: str) -> tuple[float, int]:
        """Return the converted value, and the number of its currency, NO_CURRENCY or LEFT_OUT."""
        if not currency:
            return value, NO_CURRENCY
        code = currency if currency in NUMBERS else _code(currency)
        if not code:
            return value, LEFT_OUT
        if not self.declared or code == self.declared:
            return value, NUMBERS[code]
        rate = self.rates.get(code)
        return (value, LEFT_OUT) if rate is None else (value * rate, NUMBERS[self.declared])


def _code(currency: str) -> str:
    if len(currency) > _CODE_CHARS_MAX:
        return ""
    code = currency.strip().upper()
    return code if code in NUMBERS else ""


AS_GIVEN: Final = Currencies()
