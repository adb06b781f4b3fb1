"""Declarations: the events, features, scores and segments of a project, read from files and compiled into a plan."""
