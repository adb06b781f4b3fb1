"""The Flink jobs, one file each."""
