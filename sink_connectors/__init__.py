"""Where results go: the score store in Redis and the Kafka topics."""
