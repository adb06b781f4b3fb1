"""Events in other words than the contract's: a mapping (spec.py), and what makes documents of the contract by one.

docs/events.md describes mappings; docs/mappings/ has examples for public formats. Files are read by a mapping
(history/rows.py), and so are the values of a topic (messages.py).
"""
