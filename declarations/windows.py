"""Windows: of which length and in which steps they are kept."""

from __future__ import annotations

from math import log
from typing import Final, NamedTuple

from declarations.feature_models import HOPS_MAX
from declarations.value_types import duration_text
from driftline.units import DAY_MS, HOUR_MS

_USUAL_HOPS_MS: Final = (5 * 60_000, HOUR_MS, 6 * HOUR_MS, DAY_MS)
_STEPS: Final = 24  # in which a window is kept, about, where no hop is given


class Window(NamedTuple):
    """A window of `hops` steps of `hop_ms` milliseconds each."""

    hop_ms: int
    hops: int


def window_of(window_ms: int, hop_ms: int | None) -> Window | str:
    """Return a window, or what is wrong with it.

    Args:
        window_ms: its length.
        hop_ms: its step; by default that of 5m, 1h, 6h, 1d which is nearest to a 24th and divides the window.
    """
    shown = duration_text(window_ms)
    if hop_ms is None:
        fitting = [hop for hop in _USUAL_HOPS_MS if window_ms % hop == 0]
        if not fitting:
            return f"window {shown} is no multiple of 5m; give a 'hop' that divides it"
        hop_ms = min(fitting, key=lambda hop: abs(log(hop * _STEPS / window_ms)))
    if window_ms % hop_ms:
        return f"window {shown} is no multiple of hop {duration_text(hop_ms)}"
    hops = window_ms // hop_ms
    if hops > HOPS_MAX:
        return f"window {shown} has {hops} hops of {duration_text(hop_ms)}; at most {HOPS_MAX}: take a longer hop"
    return Window(hop_ms, hops)
