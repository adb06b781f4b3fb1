"""The lake's commands: bringing files into one, looking at it, verifying it against Kafka, asking it in SQL."""
