"""`driftline demo`: the whole suite at work on this machine, and what a shopper's scores do meanwhile.

prepare.py starts what is missing; traffic.py publishes; freshness.py measures; monitor.py gathers what is known into a
Snapshot; view.py and summary.py show it; run.py is the order of all that.
"""
