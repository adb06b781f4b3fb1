"""Heals users whose events came later than the bound: from history, by orders to the running job."""
