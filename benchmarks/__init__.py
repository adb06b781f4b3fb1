"""Measured comparisons; each prints how it was made."""
