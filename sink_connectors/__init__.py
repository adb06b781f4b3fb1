"""Where scores go: the store in Redis, its value format, and how Redis is addressed and its errors are read."""
