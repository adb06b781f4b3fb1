"""Flink code that jobs share: sources, outputs, guards, counters."""
