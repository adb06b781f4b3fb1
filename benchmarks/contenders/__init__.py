"""The same duty in other ways: one file a contender, idiomatic or as well tuned as its API allows."""
