"""The words of events: which names of types and channels are known, in any case and in the usual spellings.

A table, not a guess: docs/events.md lists it with where each spelling comes from. A word counts without its case and
without what separates its parts, so `Add to Cart`, `addToCart`, `add_to_cart` and `ADD-TO-CART` are one word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from difflib import get_close_matches

from driftline.event.v1.event_pb2 import UserEvent

PLACEHOLDERS = "@placeholders"  # in a list of refused ids: all that SDKs send for nobody (udfs/refused.py)

# Spellings beside the type's own name, which the loop below adds.
TYPE_SPELLINGS: dict[str, tuple[str, ...]] = {
    "VIEW": (
        *("viewed", "view_item", "item_view", "item_viewed", "viewed_item", "view_item_list", "view_content"),
        *("view_product", "product_view", "product_viewed", "viewed_product", "product_detail_view", "detail_view"),
        *("product_list_viewed", "list_view", "page", "page_view", "page_viewed", "viewed_page", "view_page"),
        *("screen", "screen_view", "screen_viewed", "pageview", "detail", "impression_detail"),
    ),
    "CLICK": (
        *("clicked", "item_click", "item_clicked", "product_click", "product_clicked", "link_click", "link_clicked"),
        *("button_click", "button_clicked", "element_clicked", "select_item", "select_content", "tap", "tapped"),
        *("promotion_clicked", "select_promotion", "clicked_product"),
    ),
    "ADD_TO_CART": (
        *("cart", "cart_add", "added_to_cart", "product_added", "product_added_to_cart", "item_added_to_cart"),
        *("add_to_basket", "added_to_basket", "add_to_bag", "added_to_bag", "product_added_to_basket", "add_cart"),
        *("basket", "basket_add", "add_item_to_cart", "add_product_to_cart"),
        *("product_add", "added_product", "item_added"),
    ),
    "PURCHASE": (
        *("purchased", "buy", "bought", "order", "ordered", "transaction", "sale", "ecommerce_purchase"),
        *("order_completed", "completed_order", "complete_order", "order_placed", "placed_order", "place_order"),
        *("purchase_completed", "complete_purchase", "completed_purchase", "product_purchased", "item_purchased"),
        *("in_app_purchase", "checkout_completed", "checkout_complete", "ordered_product", "order_complete"),
        *("order_paid", "purchase_complete"),
    ),
    "SEARCH": (
        *("searched", "site_search", "view_search_results", "products_searched", "product_searched", "search_query"),
        *("product_search", "search_performed"),
    ),
    "SURVEY_RESPONSE": ("survey_answer", "survey_answered", "survey_responded"),
    "EMAIL_OPEN": ("email_opened", "open_email", "opened_email", "mail_open", "mail_opened"),
    "CUSTOM": (),
    "FORGET": (),
    "REFUND": (
        *("refunded", "order_refunded", "refund_order", "purchase_refunded", "purchase_refund", "refund_purchase"),
        *("product_refunded", "item_refunded", "partial_refund", "refund_issued", "transaction_refund"),
    ),
}
CHANNEL_SPELLINGS: dict[str, tuple[str, ...]] = {
    "WEB": ("website", "site", "browser", "desktop", "desktop_web", "www"),
    "MOBILE": ("mob", "app", "mobile_app", "ios", "android", "iphone", "ipad", "phone", "smartphone"),
    "DEVICE": ("iot", "tv", "smart_tv", "cnsl", "console", "kiosk", "watch", "wearable"),
    "EMAIL": ("mail", "newsletter"),
    "SURVEY": ("questionnaire",),
}
NAMES_MAX = 100  # unknown words that are counted by name; the rest are counted together
REST = ""  # stands for all further names; no word is empty
_SHOWN_MAX = 5
_WORD_CHARS_MAX = 40
_BETWEEN = re.compile(r"[\s_.:/$-]+")


def plain(word: str) -> str:
    """The word without case and without what separates its parts."""
    return _BETWEEN.sub("", word).lower()


def _table(spellings: dict[str, tuple[str, ...]], numbers: Mapping[str, int]) -> dict[str, int]:
    return {plain(word): numbers[name] for name, words in spellings.items() for word in (name, *words)}


_NAMES: dict[int, str] = {number: name for name, number in UserEvent.Type.items()}
_TYPES = _table(TYPE_SPELLINGS, dict(UserEvent.Type.items()))
_CHANNELS = _table(CHANNEL_SPELLINGS, dict(UserEvent.Channel.items()))


def type_number(word: str) -> int | None:
    """The number of the event type that a word means; None if it is none that is known."""
    return _TYPES.get(plain(word))


def channel_number(word: str) -> int:
    """The number of the channel that a word means; 0 if it is none that is known."""
    return _CHANNELS.get(plain(word), UserEvent.CHANNEL_UNSPECIFIED)


def shown(word: str, chars_max: int = _WORD_CHARS_MAX) -> str:
    """A word from outside as it may be kept and shown: cut, and with a mark for each character that does not print."""
    cut = word[:chars_max]
    return cut if cut.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in cut)


class NameCounts:
    """Names from outside, counted: the first `names_max` each for itself, all further ones together as REST."""

    def __init__(self, names_max: int = NAMES_MAX) -> None:
        self.counts: dict[str, int] = {}
        self._names_max = names_max

    def __call__(self, word: str) -> None:
        """Count a word."""
        add_names(self.counts, {shown(word): 1}, self._names_max)

    def uncount(self, word: str) -> None:
        """Take back a word that was counted, and will be again."""
        name = shown(word)
        name = name if name in self.counts else REST
        self.counts[name] -= 1
        if not self.counts[name]:
            del self.counts[name]

    def take(self) -> dict[str, int]:
        """Return what was counted, and begin anew."""
        taken, self.counts = self.counts, {}
        return taken

    @property
    def total(self) -> int:
        """How many words were counted."""
        return sum(self.counts.values())


def add_names(counts: MutableMapping[str, int], more: Mapping[str, int], names_max: int) -> None:
    """Add to counts by name, of at most `names_max` names and REST."""
    for name, number in more.items():
        known = name in counts or len(counts) - (REST in counts) < names_max
        key = name if known else REST
        counts[key] = counts.get(key, 0) + number


def most_frequent(counts: Mapping[str, int], hint: Callable[[str], str] = lambda name: "") -> str:
    """Counts by name as a text: the most frequent ones, each with a hint, and the others together."""
    named = [(name, count) for name, count in counts.items() if name != REST]
    ranked = sorted(named, key=lambda item: (-item[1], item[0]))
    parts = [f"{name!r} {count:,}{hint(name)}" for name, count in ranked[:_SHOWN_MAX]]
    others = counts.get(REST, 0) + sum(count for _, count in ranked[_SHOWN_MAX:])
    return ", ".join([*parts, f"others {others:,}"] if others else parts)


def unknown_types_text(counts: Mapping[str, int]) -> str:
    """One line on events whose types no table knows, by word, with the nearest that is known; empty without any."""
    total = sum(counts.values())
    named = most_frequent(counts, _nearest)
    return f"events of types unknown here, folded as CUSTOM: {total:,} ({named})" if total else ""


def _nearest(word: str) -> str:
    near = get_close_matches(plain(word), _TYPES, n=1, cutoff=0.75)
    return f" (near {_NAMES[_TYPES[near[0]]]})" if near else ""
