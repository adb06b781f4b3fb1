"""What the jobs share of Flink: reading Kafka in blocks, and the tables their results go to."""
