"""The Flink jobs, one file each, with their settings, register and operators."""
