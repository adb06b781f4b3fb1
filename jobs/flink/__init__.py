"""What the jobs share of Flink: sources, outputs, guards, counters."""
