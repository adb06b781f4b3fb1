"""Makes the events of believable listeners, as lines of JSON: play, skip and like.

    python -m examples.media.generate --users 500 --days 90 > media.jsonl

Each listener has a taste, a patience, an hour of the day, and gives likes freely or hardly ever, most of them to the
favourite artist and in a good mood, when less is skipped: that is what the model of `like_soon` can learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from examples.generating import SECOND_MS, Timed, main, visits

ARTISTS = [f"artist-{number}" for number in range(40)]
GENRES = ("ambient", "folk", "jazz", "pop", "rock")
TRACKS_AN_ARTIST = 12
TRACKS_A_VISIT_MAX = 30
FULL_S = (120, 330)  # length of a track


def life(rng: Random, user_id: str, days: int) -> Iterator[Timed]:
    """Yield the events of one listener."""
    taste = rng.sample(range(len(ARTISTS)), 6)
    patience, pause_days, hour = rng.betavariate(5, 2), 1 + rng.expovariate(0.4), rng.gauss(18, 4)
    generous, number = rng.betavariate(0.7, 2.5), 0
    for visit_ms in visits(rng, days, pause_days, hour):
        time_ms, mood = visit_ms, rng.random()
        for _ in range(min(TRACKS_A_VISIT_MAX, 1 + int(rng.expovariate(0.15)))):
            artist = taste[min(5, int(rng.expovariate(0.7)))] if rng.random() < 0.8 else rng.randrange(len(ARTISTS))
            track = {"itemId": f"{artist}-{rng.randrange(TRACKS_AN_ARTIST)}"}
            skipped = rng.random() > patience * (0.6 + 0.4 * mood)
            length_s = rng.randint(*FULL_S)
            seconds = rng.randint(2, 25) if skipped else length_s
            time_ms += (seconds + 2) * SECOND_MS
            played = {
                "artist": ARTISTS[artist],
                "seconds": seconds,
                "length_s": length_s,
                "genres": [GENRES[artist % 5], GENRES[artist // 8]],
            }
            yield time_ms, _event("play", user_id, number, time_ms, track | {"properties": played})
            if skipped:
                about = {"properties": {"artist": ARTISTS[artist]}}
                yield time_ms + 1, _event("skip", user_id, number + 1, time_ms + 1, track | about)
            elif rng.random() < generous * (mood if artist == taste[0] else 0.2 * mood):
                time_ms += SECOND_MS
                about = {"properties": {"artist": ARTISTS[artist]}}
                yield time_ms, _event("like", user_id, number + 1, time_ms, track | about)
            number += 2


def _event(kind: str, user_id: str, number: int, time_ms: int, more: dict[str, Any]) -> dict[str, Any]:
    event_id = f"{user_id}-{number}"
    return {"eventId": event_id, "userId": user_id, "type": kind, "eventTimeMs": time_ms, **more}


if __name__ == "__main__":
    main(life, "listener", (__doc__ or "").splitlines()[0])
