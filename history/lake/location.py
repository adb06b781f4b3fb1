"""Where a lake is; what is located stands on the ground (driftline/location.py), because models are located, too."""

from __future__ import annotations

from driftline.location import Location, locate

__all__ = ["Location", "locate"]
