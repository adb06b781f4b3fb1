"""Replays: what happened is computed again, into a namespace of its own (docs/decisions/0036-history.md)."""
