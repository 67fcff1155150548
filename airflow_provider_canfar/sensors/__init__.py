"""The sensors: they wait for sessions of the account, and for free cores, RAM and GPUs.

They launch and destroy nothing; what they wait for is decided in ``account_sessions``.
"""
