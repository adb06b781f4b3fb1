"""The words of events: which names of types and channels are known, in any case and in the usual spellings.

A table, not a guess: docs/events.md lists it with where each spelling comes from. A word counts without its case and
without what separates its parts, so `Add to Cart`, `addToCart`, `add_to_cart` and `ADD-TO-CART` are one word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches

from driftline.event.v1.event_pb2 import UserEvent

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


class UnknownTypes:
    """Words given as a type that no table knows, counted by name: at most NAMES_MAX names, the rest together.

    Call it with each word. Their events are folded as CUSTOM.
    """

    def __init__(self) -> None:
        self.total = 0
        self.by_name: Counter[str] = Counter()

    def __call__(self, word: str) -> None:
        """Count a word."""
        self.total += 1
        name = word[:_WORD_CHARS_MAX]
        if name in self.by_name or len(self.by_name) < NAMES_MAX:
            self.by_name[name] += 1

    def warning(self) -> str:
        """One line that names the most frequent ones with the nearest known word; empty if there were none."""
        if not self.total:
            return ""
        common = self.by_name.most_common(_SHOWN_MAX)
        named = [f"{name!r} {count:,}{_nearest(name)}" for name, count in common]
        rest = self.total - sum(count for _, count in common)
        if rest:
            named.append(f"others {rest:,}")
        return f"events of types unknown here, folded as CUSTOM: {self.total:,} ({', '.join(named)})"


def _nearest(word: str) -> str:
    near = get_close_matches(plain(word), _TYPES, n=1, cutoff=0.75)
    return f" (near {_NAMES[_TYPES[near[0]]]})" if near else ""
