"""Which users of a history make rows: by a hash of the id, so that a user is in with all moments or not at all. Pure.

Rows of one user are alike. A sample by moment would put some of nearly every user into it, cost as much to fold, and
leave nobody out who could be held out. The hash knows nothing of labels, so their rate is that of the users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from driftline.errors import InputError
from udfs.hashing import hash64

_HASHES: Final = 1 << 64


@dataclass(frozen=True)
class Sampling:
    """A sample of users; the same history, bounds and seed give the same one.

    A larger share, or more rows, takes the users of a smaller one and others.

    Attributes:
        share: of the users, above 0, at most 1.
        rows_max: users are taken in the order of their hashes until the next one's rows would be too many; 0: no bound.
        seed: chooses others.

    Raises:
        InputError: a bound is no such number.
    """

    share: float = 1.0
    rows_max: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            message = f"a sample should be a share of the users above 0, at most 1, not {self.share:g}"
            raise InputError(message)
        if self.rows_max < 0:
            message = f"the most rows should be a number above 0, not {self.rows_max}"
            raise InputError(message)

    @property
    def is_whole(self) -> bool:
        """Whether all users are in it."""
        return self.share >= 1 and not self.rows_max

    def takes(self, user_id: str) -> bool:
        """Whether the share has the user."""
        return self.share >= 1 or self._hash(user_id) < self.share * _HASHES

    def within(self, rows: Mapping[str, int]) -> set[str]:
        """Return the users whose rows together are at most `rows_max`.

        Args:
            rows: number of rows by user.
        """
        if not self.rows_max:
            return set(rows)
        taken: set[str] = set()
        left = self.rows_max
        for user_id in sorted(rows, key=lambda one: (self._hash(one), one)):
            left -= rows[user_id]
            if left < 0:
                break
            taken.add(user_id)
        return taken

    def as_card(self) -> dict[str, Any]:
        """Return it as a card tells it."""
        return {"of": "users", "share": self.share, "rows_max": self.rows_max, "seed": self.seed}

    def _hash(self, user_id: str) -> int:
        return hash64(f"{self.seed}\0{user_id}")


ALL_USERS: Final = Sampling()
