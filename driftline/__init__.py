"""Driftline: event streams into personalization scores."""

__version__ = "0.1.0"
