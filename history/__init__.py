"""Reads files of events: the history that is published, trained on and replayed."""
