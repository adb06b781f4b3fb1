"""The lake: the records of a topic as Parquet files (docs/decisions/0036-history.md)."""
