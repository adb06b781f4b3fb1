"""The whole of Driftline on a real stack: Kafka, Flink, Redis and the gRPC server, driven as a user drives them."""
