"""Samples of users: whole, nested, the same every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.errors import InputError
from training.sampling import ALL_USERS, Sampling

USERS = [f"u{number}" for number in range(2_000)]
SHARES = st.floats(0.001, 1)


@given(SHARES, SHARES, st.integers(0, 5))
def test_a_larger_share_takes_the_users_of_a_smaller_one_too(one: float, other: float, seed: int) -> None:
    small, large = sorted((one, other))
    taken = {user for user in USERS if Sampling(small, seed=seed).takes(user)}
    assert taken <= {user for user in USERS if Sampling(large, seed=seed).takes(user)}


def test_a_share_is_about_as_large_as_it_says_and_seeds_choose_others() -> None:
    first, second = ({user for user in USERS if Sampling(0.2, seed=seed).takes(user)} for seed in (1, 2))
    assert 320 < len(first) < 480
    assert len(first & second) < 160
    assert all(ALL_USERS.takes(user) for user in USERS)


@given(
    st.dictionaries(st.sampled_from(USERS), st.integers(0, 50), max_size=40),
    st.integers(1, 500),
    st.integers(1, 500),
    st.integers(0, 3),
)
def test_rows_stay_within_the_bound_and_users_are_whole(rows: dict[str, int], one: int, other: int, seed: int) -> None:
    small, large = (Sampling(rows_max=bound, seed=seed).within(rows) for bound in sorted((one, other)))
    assert small <= large <= set(rows)
    assert sum(rows[user] for user in large) <= max(one, other)
    assert Sampling(rows_max=max(one, other), seed=seed).within(dict(reversed(rows.items()))) == large
    assert sum(rows.values()) > max(one, other) or large == set(rows)


@pytest.mark.parametrize("bad", [{"share": 0.0}, {"share": 1.1}, {"share": float("nan")}, {"rows_max": -1}])
def test_what_is_no_sample_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Sampling(**bad)  # type: ignore[arg-type]
