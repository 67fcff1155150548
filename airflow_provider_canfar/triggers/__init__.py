"""The triggers: waiting without a worker slot."""
