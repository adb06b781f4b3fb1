"""A bank's cards."""
