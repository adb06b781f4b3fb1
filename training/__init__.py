"""Training of the model: examples from history, a scikit-learn pipeline, a report on users and times it never saw."""
