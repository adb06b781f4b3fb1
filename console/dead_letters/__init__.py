"""Dead letters and late events: to look at them, to mend them and to send them again.

`DeadLetter` is what a function for `driftline dead-letters replay --transform` is given.
"""

from __future__ import annotations

from console.dead_letters.records import DeadLetter, Place

__all__ = ["DeadLetter", "Place"]
