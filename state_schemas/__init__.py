"""The keyed state's schema and codec."""
