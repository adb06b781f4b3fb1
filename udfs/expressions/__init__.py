"""Expressions as trees of nodes, built from a plan's data (docs/decisions/0032-declarations.md)."""
