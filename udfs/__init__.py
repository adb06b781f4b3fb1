"""The logic of Driftline: pure Python that takes time as an argument."""
