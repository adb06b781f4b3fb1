"""What the reference says of each kind of feature beyond its keys."""

from __future__ import annotations

from typing import Final, NamedTuple

# What the examples are about. The expressions' examples are evaluated over features of these events, too.
EXAMPLE_EVENTS: Final = """\
events:
  play:
    fields:
      track: {type: string, from: item_id}
      artist: {type: string}
      genres: {type: strings}
      seconds: {type: number, min: 0, max: 86400}
      offline: {type: bool}
    item: track
    category: artist
    value: seconds
  like:
    fields: {artist: {type: string}}
  subscribe:
    fields:
      plan: {type: string}
      price: {type: money, from: value}
"""


class KindText(NamedTuple):
    """What the reference says of a kind.

    Attributes:
        computes: what it is, as a formula where one helps.
        before: what it is before there is an event.
        edges: what is exact and what is not, and what happens at the edges of windows, sessions and bounds.
        examples: declarations, each a line of YAML.
    """

    computes: str
    before: str
    edges: str
    examples: tuple[str, ...]


_WINDOW: Final = (
    "A window reads the hop that has begun and the hops before it that make its length: at least `window`, at most one "
    "hop more."
)
_TIES: Final = "Events of the same millisecond are in the order of their ids."

KIND_TEXTS: Final[dict[str, KindText]] = {
    "count": KindText(
        "The number of events; with `weights` the sum of what each counts. With `half_life` h the sum of 2^(-age / h). "
        "With `by` a map from each text of a field to its count; of a list (`strings`) each text counts. With "
        "`calendar` a feature for each hour (`_0` to `_23`) or day of the week (`_0` is Monday), in the project's time "
        "zone.",
        "0; an empty map. `default` is what the vector says of a user of whom nothing is known",
        f"Exact. {_WINDOW} A map keeps `cap` entries: beyond, the smallest one goes, of equal ones the first by name, "
        "and is counted in `categories_overflow`. An event of a map without that field counts nowhere.",
        (
            "plays: {count: play}",
            "everything: {count: any}",
            "session_plays: {count: play, scope: session}",
            "night_plays: {count: play, where: hour(time) < 6}",
            "plays_7d: {count: play, window: 7d, hop: 6h}",
            "play_rate_7d: {count: play, half_life: 7d}",
            "artist_affinity: {count: [play, like], by: artist, half_life: 30d, cap: 64, weights: {like: 3}}",
            "genres_7d: {count: play, by: genres, window: 7d, cap: 16}",
            "plays_by_day: {count: play, calendar: day_of_week}",
        ),
    ),
    "sum": KindText(
        "The sum of a field; with `half_life` h of value x 2^(-age / h); with `by` a map. Amounts of money add up in "
        "one currency a user ([money](features.md#money)).",
        "0; an empty map",
        f"As a sum of doubles in event-time order, so the same for each order of arrival. {_WINDOW}",
        (
            "seconds: {sum: seconds, of: play, unit: s}",
            "seconds_30d: {sum: seconds, of: play, window: 30d, unit: s}",
            "paid: {sum: price, of: subscribe}",
            "bought: {sum: value, of: PURCHASE, money: true}",
            "seconds_by_artist: {sum: seconds, of: play, by: artist, half_life: 30d, cap: 32}",
        ),
    ),
    "mean": KindText(
        "The sum of a field divided by the number of events, also of a window, a session, or with decay.",
        "`default`",
        f"{_WINDOW} An event without the field counts with the field's default.",
        (
            "mean_seconds: {mean: seconds, of: play, unit: s}",
            "mean_seconds_7d: {mean: seconds, of: play, window: 7d, unit: s}",
        ),
    ),
    "stddev": KindText(
        "The standard deviation of a field, of the population: sqrt(sum((x - mean)^2) / n), by Welford's recurrence.",
        "`default`, also after one event",
        "To the last digits of a double, also where the mean is large and the deviation small.",
        ("seconds_spread: {stddev: seconds, of: play, unit: s}",),
    ),
    "min": KindText(
        "The smallest value of a field.",
        "`default`",
        f"Exact. {_WINDOW} The smallest value that leaves a window makes room for the next one.",
        ("shortest: {min: seconds, of: play}", "shortest_7d: {min: seconds, of: play, window: 7d}"),
    ),
    "max": KindText(
        "The largest value of a field.",
        "`default`",
        f"Exact. {_WINDOW}",
        ("longest: {max: seconds, of: play}", "longest_30d: {max: seconds, of: play, window: 30d}"),
    ),
    "first": KindText(
        "The field of the first event that has it. Of a text it is a text, which is not in the vector.",
        "`default`; an empty text",
        f"Exact. {_TIES} An empty text is an absent one.",
        ("first_artist: {first: artist, of: play}", "first_seconds: {first: seconds, of: play}"),
    ),
    "last": KindText(
        "The field of the newest event that has it, or of the newest in the session.",
        "`default`; an empty text",
        f"Exact. {_TIES} An empty text is skipped; a number that an event lacks is the field's default.",
        (
            "last_plan: {last: plan, of: subscribe}",
            "last_seconds: {last: seconds, of: play, default: -1}",
            "session_artist: {last: artist, of: play, scope: session}",
        ),
    ),
    "last_k": KindText(
        "The field of the newest k events, a feature each: `_0` is the newest.",
        "`default`, where there are not as many",
        "Exact.",
        ("recent: {last_k: seconds, of: play, k: 3}",),
    ),
    "since": KindText(
        "(as-of time - time of the newest such event) / unit.",
        "`default`: give one that is beyond what can be, such as 2160 h",
        "Exact, as of the user's newest event of any type, or of an age after it: it grows while the user is silent.",
        ("hours_since_like: {since: like, unit: h, default: 2160}",),
    ),
    "distinct": KindText(
        "How many different texts there were.",
        "0",
        "Exact below `exact` texts. From there on an estimate from the `exact` smallest of their hashes, (exact - 1) / "
        "the largest of these as a share of all, with a relative standard error of 1 / sqrt(exact - 2): 6.3 % of 256, "
        "2.2 % of 2,048. The same for each order of events; it never falls.",
        ("artists: {distinct: artist, of: play}", "tracks: {distinct: track, of: play, exact: 1024}"),
    ),
    "histogram": KindText(
        "How many events had a value in each range, a feature each: `_0` is below the first edge, `_i` from edge i - 1 "
        "on and below edge i, the last one from the last edge on.",
        "0",
        "Exact.",
        ("lengths: {histogram: seconds, of: play, edges: [30, 60, 180]}",),
    ),
    "streak": KindText(
        "On how many days in a row, in the project's time zone, there was such an event.",
        "0",
        "Exact. It lasts until a whole day is missing: the last counted day is that of the as-of time or the one "
        "before; else it is 0.",
        ("days_in_a_row: {streak: play}",),
    ),
    "changes": KindText(
        "How often a text differed from the one before.",
        "0; the first text is no change",
        "Exact. An empty text is skipped.",
        ("artist_changes: {changes: artist, of: play, scope: session}",),
    ),
    "ratio": KindText(
        "The first feature divided by the second.",
        "`default`, also where the second is 0",
        "As exact as its parts.",
        ("likes: {count: like}\nplays: {count: play}\nlike_share: {ratio: [likes, plays]}",),
    ),
    "expr": KindText(
        "An [expression](#expressions) over features and what is known of the profile. It is a number, a truth (1 or 0 "
        "in the vector) or a text.",
        "what the expression says; `default` where that is not finite, as after a division by zero",
        "Features may stand in any order, but not be computed from themselves.",
        (
            "plays: {count: play}\nheavy: {expr: plays > 100}",
            "artists_heard: {count: play, by: artist}\ntop_artist: {expr: top(artists_heard)}",
        ),
    ),
}
