"""A shop that declares a time zone: hour_sin and hour_cos are of its clocks, summer time included, at ages, too."""

from __future__ import annotations

from datetime import datetime
from math import atan2, pi
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from declarations.starting import write_project
from jobs.plans import plan_for
from tests.builders import DAY, MINUTE, job_settings
from udfs.event import VIEW, Event
from udfs.plan.plan import Plan
from udfs.profile import Profile, ProfileBounds

ZONE = "Europe/Berlin"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The retail template with another time zone."""
    folder: Path = tmp_path_factory.mktemp("personalization")
    write_project(folder / "shop", "retail")
    file = folder / "shop" / "project.yaml"
    file.write_text(file.read_text().replace("time_zone: UTC", f"time_zone: {ZONE}"))
    return plan_for(job_settings(declarations=folder / "shop"))


def ms_of(local: str) -> int:
    return round(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(ZONE)).timestamp() * 1_000)


def hour_of(plan: Plan, profile: Profile, as_of_ms: float = 0.0) -> float:
    """The hour of the day that the two features stand for."""
    vector = dict(zip(plan.vector_names, plan.vector(profile, as_of_ms), strict=True))
    return round(atan2(vector["hour_sin"], vector["hour_cos"]) * 12 / pi % 24, 6)


@pytest.mark.parametrize(
    ("local", "days", "hour", "later"),
    [
        ("2026-01-10T08:30", 1, 8.5, 8.5),
        ("2026-03-28T20:00", 1, 20, 21),  # clocks go forward in the night
        ("2026-07-01T06:00", 14, 6, 6),
        ("2026-10-24T20:00", 1, 20, 19),  # and back
        ("2026-03-01T23:30", 30, 23.5, 0.5),
    ],
)
def test_the_hour_is_that_of_the_shop_s_clocks(shop: Plan, local: str, days: int, hour: float, later: float) -> None:
    profile, at_ms, age_s = shop.blank(), ms_of(local), days * 86_400
    bounds = ProfileBounds(session_gap_ms=30 * MINUTE, user_ttl_ms=90 * DAY, plan=shop)
    profile.fold(Event(at_ms, "e", VIEW, 0.0, ""), bounds)
    assert hour_of(shop, profile) == hour
    assert hour_of(shop, shop.aged(profile, age_s), at_ms + age_s * 1_000) == later
