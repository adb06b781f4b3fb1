"""`driftline audit`: a sample of users is computed again from their records, and compared with what is served."""
