"""Operators: thin adapters between Flink and the core."""
