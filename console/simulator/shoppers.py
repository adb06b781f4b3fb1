"""Who shops, and what there is to buy: habits that stay the same for a seed, whatever is simulated with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from console.simulator.records import Properties

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]

CATEGORIES = (
    "shoes", "dresses", "jackets", "sportswear", "bags", "jewelry",
    "beauty", "kitchen", "garden", "toys", "books", "electronics",
)  # fmt: skip
# Of each category: how much of all interest it draws, and what its items cost in the middle, in EUR.
_INTEREST = np.array([1.5, 1.2, 0.8, 1.1, 0.7, 0.5, 1.0, 0.9, 0.5, 0.8, 1.3, 1.4])
_PRICE_EUR = np.array([75.0, 60.0, 110.0, 45.0, 85.0, 130.0, 25.0, 40.0, 35.0, 28.0, 16.0, 220.0])
ITEMS_A_CATEGORY = 400
NO_ITEM = -1

CHANNELS = ("WEB", "MOBILE", "DEVICE", "EMAIL", "SURVEY")
WEB, MOBILE, DEVICE, EMAIL, SURVEY = range(len(CHANNELS))

CUSTOM_NAMES = ("", "wishlist_add", "size_guide", "share", "stock_alert")
CAMPAIGNS = ("winter_sale", "new_arrivals", "loyalty", "spring", "free_shipping")
# What `properties` an event may carry, by number: nothing, a campaign, or what was searched for.
PROPERTIES: tuple[Properties, ...] = (
    (),
    *((("campaign", campaign),) for campaign in CAMPAIGNS),
    *((("query", category),) for category in CATEGORIES),
    *((("query", f"{word} {category}"),) for word in ("cheap", "new") for category in CATEGORIES),
)
NO_PROPERTIES = 0
CAMPAIGN_0 = 1
QUERY_0 = CAMPAIGN_0 + len(CAMPAIGNS)
QUERY_KINDS = 3

_CATALOGUE_SEED = 20_260_101  # the shop is the same for every seed


def _catalogue_cents() -> Ints:
    rng = np.random.default_rng(_CATALOGUE_SEED)
    spread = np.exp(rng.normal(0.0, 0.55, (len(CATEGORIES), ITEMS_A_CATEGORY)))
    cents: Ints = np.round(_PRICE_EUR[:, None] * spread * 100).astype(np.int64).ravel()
    return cents


PRICE_CENTS = _catalogue_cents()  # by item number; item = category * ITEMS_A_CATEGORY + place
LOG_PRICE = np.log(PRICE_CENTS / np.repeat(_PRICE_EUR * 100, ITEMS_A_CATEGORY))  # against its category's middle
ITEM_IDS = tuple(f"i{item}" for item in range(len(PRICE_CENTS)))


@dataclass(frozen=True, kw_only=True)
class Shoppers:
    """Habits of every user, one array a habit.

    activity       share of all sessions; log-normal, so a few are very active
    affinity       how readily interest becomes a purchase; standard normal
    price_level    log of what they like to pay against a category's middle
    satisfaction   how they answer surveys; standard normal
    pace           factor on the seconds between two events
    peak_hour      hour of the day they prefer
    email_share    share of sessions that begin with an e-mail
    device         the channel they prefer
    interests      cumulative shares of the categories
    """

    activity: Floats
    affinity: Floats32
    price_level: Floats32
    satisfaction: Floats32
    pace: Floats32
    peak_hour: Floats32
    email_share: Floats32
    device: NDArray[np.int8]
    interests: Floats32

    @classmethod
    def make(cls, users: int, seed: int) -> Shoppers:
        """The users of a seed: a live run meets the same people as a history of as many users."""
        rng = np.random.default_rng([seed, 1])
        activity = np.exp(rng.normal(0.0, 1.2, users))
        affinity = rng.normal(0.0, 1.0, users)
        interests = rng.standard_gamma(np.broadcast_to(_INTEREST * 0.35, (users, len(CATEGORIES)))) + 1e-6
        peaks = np.array([8.0, 12.5, 20.5])[rng.choice(3, users, p=[0.2, 0.25, 0.55])]
        return cls(
            activity=activity / activity.sum(),
            affinity=affinity.astype(np.float32),
            price_level=rng.normal(0.0, 0.5, users).astype(np.float32),
            satisfaction=(0.3 * affinity + rng.normal(0.0, 1.0, users)).astype(np.float32),
            pace=np.exp(rng.normal(0.0, 0.25, users)).astype(np.float32),
            peak_hour=(peaks + rng.normal(0.0, 1.0, users)).astype(np.float32),
            email_share=rng.beta(0.6, 6.0, users).astype(np.float32),
            device=rng.choice(3, users, p=[0.4, 0.54, 0.06]).astype(np.int8),
            interests=_cumulative_shares(interests),
        )

    def pick_category(self, rng: np.random.Generator, users: Ints) -> NDArray[np.int8]:
        """A category for each of `users`, by their interests."""
        drawn = rng.random(len(users), dtype=np.float32)
        picked: NDArray[np.int8] = (self.interests[users, :-1] < drawn[:, None]).sum(axis=1).astype(np.int8)
        return picked

    def pick_item(self, rng: np.random.Generator, users: Ints, categories: NDArray[np.int8]) -> Ints:
        """An item of each category: popular ones more often, and of two the one nearer to the user's price level."""
        places = (rng.random((2, len(users))) ** 2 * ITEMS_A_CATEGORY).astype(np.int64)
        first, second = places + categories.astype(np.int64) * ITEMS_A_CATEGORY
        level = self.price_level[users]
        return np.where(np.abs(LOG_PRICE[first] - level) <= np.abs(LOG_PRICE[second] - level), first, second)


def _cumulative_shares(weights: Floats) -> Floats32:
    np.cumsum(weights, axis=1, out=weights)
    weights /= weights[:, -1:]
    return weights.astype(np.float32)
