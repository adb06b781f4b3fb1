"""A music service."""
