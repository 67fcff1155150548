"""Sensors: wait for sessions of the account, and for free cores and RAM."""
