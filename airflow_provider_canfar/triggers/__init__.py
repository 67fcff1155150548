"""The triggers: they wait for sessions without a worker slot.

They look and do not act, except that a kill of a deferred task destroys its sessions.
"""
