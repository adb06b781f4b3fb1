"""The kinds of reducers: what features can remember. A kind is a file here and an entry in kinds.py.

The set is closed and small, and that is what keeps "the same answer": `Timeline` folds a user's events in the order of
(event time, id), and a step may use nothing but its own slots of the profile and the event.
"""
