"""Plans: what declarations are compiled into, and the fold that runs one (docs/decisions/0032-declarations.md)."""
